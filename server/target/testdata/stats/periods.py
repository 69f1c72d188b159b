#!/usr/bin/env python3
"""Computes what /stats/coverage and /stats/energy have to answer about windows.csv, and
writes periods.json.

It rests on nothing of Delfos: all is exact rationals, and only the results are rounded.
"""
import csv
import datetime
import json
import pathlib
from fractions import Fraction

HERE = pathlib.Path(__file__).parent
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime(2025, 1, 10, 12)  # as the test's server has it
# first day, last day, seconds from a sample to the next, rated power: turbine 3 is not known, and 4 has no values.
TURBINES = {
    1: (None, None, 60, 2050),
    2: ("2025-01-02", None, 180, None),  # ten samples do not fit into a window
    3: (None, None, 60, None),
    4: ("2025-01-01", "2025-01-01", 420, 2000),
}


def read_input():
    with open(HERE / "windows.csv", newline="") as f:
        for row in csv.DictReader(f):
            w = {name: Fraction(float(text)) for name, text in row.items() if text and name not in ("turbine_id", "timestamp")}
            if row["turbine_id"] == "1" and "power_count" in w:
                w["ambient_temperature_count"] = w["power_count"]  # as the test has it
            yield int(row["turbine_id"]), datetime.datetime.strptime(row["timestamp"], "%Y-%m-%dT%H:%M:%SZ"), w


def periods(first, last, by):
    """Names, each with its days."""
    named, day = {}, datetime.datetime.fromisoformat(first)
    while day <= datetime.datetime.fromisoformat(last):
        named.setdefault(day.isoformat()[: {"day": 10, "month": 7, "year": 4}[by]], []).append(day)
        day += DAY
    return named


def expected(turbine, days):
    first, last, interval, _ = TURBINES[turbine]
    samples = 0
    for day in days:
        if (first or "0") <= day.isoformat()[:10] <= (last or "9"):
            passed = min(max(NOW - day, datetime.timedelta()), DAY)
            samples += len(range(0, int(passed.total_seconds()), interval))
    return samples


def ratio(part, whole):
    return float(Fraction(part) / whole) if whole else None


def rows(windows, first, last, by, turbines, row):
    return {"rows": [
        {"turbine_id": t, "period": name, **row(t, days, [w for turbine, at, w in windows if turbine == t and at.replace(hour=0, minute=0) in days])}
        for t in turbines
        for name, days in periods(first, last, by).items()
    ]}


def coverage(turbine, days, held):
    want = expected(turbine, days)
    both = sum(min(w["wind_speed_count"], w["power_count"]) for w in held if "wind_speed_count" in w and "power_count" in w)
    return {
        "expected": want,
        "read": {name: int(sum(w.get(name + "_count", 0) for w in held)) for name in ("wind_speed", "power", "ambient_temperature")},
        "both": int(both),
        "coverage": ratio(both, want),
    }


def energy(turbine, days, held):
    _, _, interval, rated = TURBINES[turbine]
    given = taken = filled = covered = Fraction(0)
    held = [w for w in held if "power_mean" in w]
    for w in held:
        hours = min(w["power_count"] * interval, Fraction(600)) / 3600
        covered += hours
        if w["power_mean"] > 0:
            given += w["power_mean"] * hours
            filled += w["power_mean"] / 6
        else:
            taken -= w["power_mean"] * hours
    return {
        "energy_kwh": float(given) if held else None,
        "energy_filled_kwh": float(filled) if held else None,
        "consumed_kwh": float(taken) if held else None,
        "covered_hours": float(covered),
        "coverage": ratio(covered, Fraction(expected(turbine, days) * interval, 3600)),
        "capacity_factor": ratio(given, rated * covered) if held and rated else None,
    }


def main():
    windows = list(read_input())
    answers = {}
    for first, last, by, turbines in [
        ("2024-12-30", "2025-01-03", "day", (1, 2, 3, 4)),
        ("2025-01-09", "2025-01-12", "day", (1, 3)),
        ("2024-12-31", "2025-02-28", "month", (1, 2, 3, 4)),
        ("2024-12-31", "2025-01-01", "year", (1, 2, 3)),
    ]:
        query = f"?from={first}&to={last}&by={by}&turbines={','.join(map(str, turbines))}"
        answers["/stats/energy" + query] = rows(windows, first, last, by, turbines, energy)
        if by != "year":
            answers["/stats/coverage" + query] = rows(windows, first, last, by, turbines, coverage)
    with open(HERE / "periods.json", "w") as f:
        json.dump(answers, f, indent=1)
        f.write("\n")


main()
