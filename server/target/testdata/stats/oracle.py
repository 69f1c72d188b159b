#!/usr/bin/env python3
"""Computes what /stats has to answer about windows.csv, and writes answers.json.

It rests on nothing of Delfos: sums and comparisons are exact rationals of the doubles
that windows.csv names, and only the results are rounded. `oracle.py --input` writes
windows.csv itself anew.
"""
import csv
import datetime
import decimal
import json
import math
import pathlib
import random
import sys
from fractions import Fraction

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2025, 1, 10, 12, tzinfo=datetime.timezone.utc)  # as the test's server has it
WIDTH = datetime.timedelta(minutes=10)
COLUMNS = ["wind_speed_mean", "wind_speed_std", "wind_speed_count", "power_mean", "power_count"]
# Turbine 3 is not known, and 4 has no values. first and last are days.
TURBINES = {1: (None, None), 2: ("2025-01-02", None), 3: (None, None), 4: ("2025-01-01", "2025-01-01")}
# (turbine, variable, window): the severity of the rule of the check that flagged it
FLAGS = {
    (1, "wind_speed", "2025-01-01T03:00:00Z"): "warn",
    (1, "power", "2025-01-01T03:00:00Z"): "warn",
    (1, "wind_speed", "2025-01-01T03:10:00Z"): "warn",
    (1, "ambient_temperature", "2025-01-01T04:00:00Z"): "block",
    (2, "power", "2025-01-01T05:00:00Z"): "block",
    (2, "power", "2025-01-01T05:10:00Z"): "block",
    (2, "wind_speed", "2025-01-02T05:20:00Z"): "warn",
    (3, "power", "2024-12-31T23:50:00Z"): "block",
}


def write_input():
    """Wind and power of three turbines, with gaps, single readings and edges of bins."""
    rng = random.Random(61400)
    at = datetime.datetime(2024, 12, 31, 22, tzinfo=datetime.timezone.utc)
    edges = [0.05, 0.15, 0.25, 0.35, 0.45, 0.75, 4.75, 5.25, 7.05, 7.15, 7.25, 12.345, 0.0]
    with open(HERE / "windows.csv", "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["turbine_id", "timestamp"] + COLUMNS)
        for turbine in (1, 2, 3):
            wind = 7.0
            for i in range(170):
                wind = max(0.0, wind + rng.gauss(0, 0.9) - 0.05 * (wind - 7))
                speed = edges[i // 3] if i % 3 == 0 and i // 3 < len(edges) else round(wind, rng.choice([2, 3, 17]))
                speed = 1e9 if (turbine, i) == (3, 100) else speed
                n = rng.choice([10, 10, 10, 9, 4, 1])
                power = round(min(2050, 0.4 * speed**3) - 5 + rng.gauss(0, 20), rng.choice([1, 4, 17]))
                row = [turbine, (at + i * WIDTH).strftime("%Y-%m-%dT%H:%M:%SZ"), repr(speed), repr(abs(rng.gauss(0.1, 0.03)) * speed) if n > 1 else "", n, repr(power), rng.choice([n, 10])]
                if rng.random() < 0.1:
                    row[5] = row[6] = ""  # no power
                if rng.random() < 0.05:
                    row[2] = row[3] = row[4] = ""  # no wind speed
                if rng.random() < 0.95:
                    out.writerow(row)


def read_input():
    with open(HERE / "windows.csv", newline="") as f:
        for row in csv.DictReader(f):
            w = {c: float(row[c]) if row[c] else None for c in COLUMNS}
            yield int(row["turbine_id"]), row["timestamp"], w


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def selected(turbine, start, before, windows):
    return [(at, w) for t, at, w in windows if t == turbine and instant(start) <= instant(at) < instant(before)]


def expected(turbine, start, before):
    first, last = TURBINES[turbine]
    begin, end = instant(start), min(instant(before), NOW)
    if first:
        begin = max(begin, instant(first + "T00:00:00Z"))
    if last:
        end = min(end, instant(last + "T00:00:00Z") + datetime.timedelta(days=1))
    return sum(1 for _ in range(max(0, -((begin - end) // WIDTH))))  # all bounds here are windows' starts


def flagged(turbine, at, every):
    return any((turbine, v, at) in FLAGS and (every or FLAGS[turbine, v, at] == "block") for v in ("wind_speed", "power"))


def mean(values):
    return sum(map(Fraction, values)) / len(values)


def root(x):
    with decimal.localcontext() as c:
        c.prec = 60
        return float((decimal.Decimal(x.numerator) / decimal.Decimal(x.denominator)).sqrt())


def deviation(values):
    """The sample deviation, None for one value."""
    if len(values) < 2:
        return None
    m = mean(values)
    return root(sum((Fraction(v) - m) ** 2 for v in values) / (len(values) - 1))


def bin_edge(nth, width):
    """The double next to the lower edge of bin nth."""
    return float((nth - Fraction(1, 2)) * Fraction(str(width)))


def bin_of(speed, width):
    nth = math.floor(Fraction(speed) / Fraction(str(width)) + Fraction(1, 2))
    while speed >= bin_edge(nth + 1, width):
        nth += 1
    while speed < bin_edge(nth, width):
        nth -= 1
    return nth


def binned(windows, width):
    bins = {}
    for w in windows:
        bins.setdefault(bin_of(w["wind_speed_mean"], width), []).append(w)
    return sorted(bins.items())


def power_curve(windows, start, before, turbines, width=0.5, by="turbine", leave_out=False):
    curves = []
    for group in [[t] for t in turbines] if by == "turbine" else [list(turbines)]:
        kept, left = [], 0
        for t in group:
            for at, w in selected(t, start, before, windows):
                if w["wind_speed_mean"] is not None and w["power_mean"] is not None:
                    if flagged(t, at, leave_out):
                        left += 1
                    else:
                        kept.append(w)
        curve = {"windows": len(kept), "expected": sum(expected(t, start, before) for t in group), "left_out": {"flagged": left} if left else {}, "bins": []}
        if by == "turbine":
            curve["turbine_id"] = group[0]
        for nth, held in binned(kept, width):
            power = [w["power_mean"] for w in held]
            std = deviation(power)
            curve["bins"].append({
                "lower": bin_edge(nth, width), "upper": bin_edge(nth + 1, width), "count": len(held),
                "wind_speed": float(mean([w["wind_speed_mean"] for w in held])), "power": float(mean(power)),
                "power_std": std, "power_standard_error": std and std / math.sqrt(len(held)), "complete": len(held) >= 3,
            })
        curves.append(curve)
    return {"bin": width, "by": by, "curves": curves}


def main():
    if sys.argv[1:] == ["--input"]:
        write_input()
    windows = list(read_input())
    start, before = "2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z"
    span = "start=2025-01-01&before=2025-01-03"
    every = (1, 2, 3, 4)
    answers = {
        f"/stats/power-curve?{span}": power_curve(windows, start, before, every),
        f"/stats/power-curve?{span}&bin=0.1&turbines=1,3": power_curve(windows, start, before, (1, 3), 0.1),
        f"/stats/power-curve?{span}&bin=0.37&leave_out=flagged": power_curve(windows, start, before, every, 0.37, leave_out=True),
        f"/stats/power-curve?{span}&by=fleet&bin=1": power_curve(windows, start, before, every, 1, by="fleet"),
        "/stats/power-curve?start=2024-12-31T23:50:00&before=2025-01-01T05:10:00": power_curve(windows, "2024-12-31T23:50:00Z", "2025-01-01T05:10:00Z", every),
    }
    with open(HERE / "answers.json", "w") as f:
        json.dump(answers, f, indent=1)
        f.write("\n")


main()
