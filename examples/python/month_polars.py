"""A month from the target API by polars, which reads Parquet: energy, power curve, coverage.

    python3 month_polars.py 2025-01
"""

import calendar
import datetime
import os
import sys

import polars as pl

api = os.environ.get("TARGET_API_URL", "http://localhost:3000")
start = datetime.date.fromisoformat(sys.argv[1] + "-01")
days = calendar.monthrange(start.year, start.month)[1]
before = start + datetime.timedelta(days=days)

turbines = pl.read_json(f"{api}/turbines").select(turbine_id=pl.col("id").cast(pl.Int32), interval="sample_interval")
windows = (
    pl.read_parquet(
        f"{api}/windows?start={start}&before={before}&wide=true"
        "&signals=power_mean,power_count,wind_speed_mean&format=parquet"
    )
    .filter(pl.col("power_mean").is_not_null())
    .join(turbines, on="turbine_id")
)

covered = (pl.col("power_count") * pl.col("interval")).clip(upper_bound=600)  # seconds of each window
energy = windows.group_by("turbine_id").agg(energy_kwh=(pl.col("power_mean") * covered).sum() / 3600)
print(energy.sort("turbine_id").write_csv(float_precision=3))

curve = (
    windows.filter(pl.col("wind_speed_mean").is_not_null())
    .group_by(wind_speed=((pl.col("wind_speed_mean") + 0.25) / 0.5).floor() / 2)
    .agg(power=pl.col("power_mean").mean(), windows=pl.len())
)
print(curve.sort("wind_speed").write_csv(float_precision=3))

expected = days * (86_400 / pl.col("interval").first()).ceil().cast(pl.Int64)
coverage = windows.group_by("turbine_id").agg(read=pl.col("power_count").sum().cast(pl.Int64), expected=expected)
print(coverage.with_columns(coverage=pl.col("read") / pl.col("expected")).sort("turbine_id").write_csv(float_precision=3))
