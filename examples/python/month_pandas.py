"""A month from the target API by pandas: energy, power curve, coverage.

    python3 month_pandas.py 2025-01
"""

import os
import sys

import pandas as pd

api = os.environ.get("TARGET_API_URL", "http://localhost:3000")
token = os.environ.get("TARGET_API_TOKEN")
headers = {"Authorization": f"Bearer {token}"} if token else None
month = pd.Period(sys.argv[1], "M")
start, before = month.start_time.date(), (month + 1).start_time.date()

turbines = pd.read_json(f"{api}/turbines", storage_options=headers).set_index("id")
windows = pd.read_csv(
    f"{api}/windows?start={start}&before={before}&wide=true"
    "&signals=power_mean,power_count,wind_speed_mean&format=csv",
    parse_dates=["timestamp"],
    storage_options=headers,
)
windows = windows[windows.power_mean.notna()]
interval = windows.turbine_id.map(turbines.sample_interval)

covered = (windows.power_count * interval).clip(upper=600)  # seconds of each window
energy = (windows.power_mean * covered / 3600).groupby(windows.turbine_id).sum()
print(energy.rename("energy_kwh").to_csv(float_format="%.3f"))

both = windows[windows.wind_speed_mean.notna()]
bins = ((both.wind_speed_mean + 0.25) // 0.5 / 2).rename("wind_speed")
curve = both.groupby(bins).power_mean.agg(power="mean", windows="size").reset_index()
curve.wind_speed = curve.wind_speed.map("{:.1f}".format)
print(curve.to_csv(index=False, float_format="%.3f"))

coverage = windows.groupby("turbine_id").power_count.sum().astype(int).to_frame("read")
daily = -(-86_400 // turbines.sample_interval)  # rounded up
coverage["expected"] = month.days_in_month * daily.reindex(coverage.index)
coverage["coverage"] = coverage.read / coverage.expected
print(coverage.to_csv(float_format="%.3f"))
