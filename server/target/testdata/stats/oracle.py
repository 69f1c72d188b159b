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
import zoneinfo
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


def cell_size(values):
    """The size of the cells that 100 are enough of, as a fraction, for values of one axis."""
    low, high = Fraction(min(values)), Fraction(max(values))
    nth = 0
    while True:
        size = Fraction((1, 2, 5)[nth % 3] * 10 ** (nth // 3), 10)
        if high // size - low // size < 99:
            return size
        nth += 1


def cell_of(value, size):
    nth = Fraction(value) // size
    while value >= float((nth + 1) * size):
        nth += 1
    while value < float(nth * size):
        nth -= 1
    return float(nth * size)


def power_density(windows, start, before, turbines, leave_out=False):
    kept, left = [], []
    for t in turbines:
        for at, w in selected(t, start, before, windows):
            if w["wind_speed_mean"] is not None and w["power_mean"] is not None:
                (left if flagged(t, at, leave_out) else kept).append((w["wind_speed_mean"], w["power_mean"]))
    answer = {"windows": len(kept), "expected": sum(expected(t, start, before) for t in turbines), "left_out": {"flagged": len(left)} if left else {}, "cells": [], "left_out_cells": []}
    axes = list(zip(*(kept or left)))
    if not axes:
        return answer
    sizes = [cell_size(axis) for axis in axes]
    answer["wind_speed_size"], answer["power_size"] = map(float, sizes)
    for name, points, more in (("cells", kept, {}), ("left_out_cells", left, {"reason": "flagged"})):
        counts = {}
        for point in points:
            inside = [min(max(v, min(axis)), max(axis)) for v, axis in zip(point, axes)]
            cell = tuple(cell_of(v, size) for v, size in zip(inside, sizes))
            counts[cell] = counts.get(cell, 0) + 1
        answer[name] = [{"wind_speed": x, "power": y, "count": n, **more} for (x, y), n in sorted(counts.items())]
    return answer


def weibull(u):
    """Scale and shape: the mean cube is a**3 gamma(1 + 3/k), the share above the mean exp(-(mean/a)**k)."""
    m, cube = mean(u), float(mean([Fraction(v) ** 3 for v in u]))
    share = sum(v > m for v in u) / len(u)
    if not 0 < share < 1 or m <= 0:
        return None
    scale = lambda k: (cube / math.gamma(1 + 3 / k)) ** (1 / 3)
    low, high = 0.05, 50.0
    for _ in range(200):
        k = (low + high) / 2
        if math.exp(-((float(m) / scale(k)) ** k)) > share:
            high = k  # the share above the mean grows with k
        else:
            low = k
    return {"a": scale(low), "k": low}


def distribution(windows, start, before, turbines, width=0.5):
    answer = []
    for t in turbines:
        held = [w for _, w in selected(t, start, before, windows) if w["wind_speed_mean"] is not None]
        u = [w["wind_speed_mean"] for w in held]
        d = {"turbine_id": t, "windows": len(u), "expected": expected(t, start, before), "mean": None, "weibull": None, "power_density": None, "bins": []}
        if u:
            cube = mean([Fraction(v) ** 3 for v in u])
            d["mean"], d["power_density"], d["weibull"] = float(mean(u)), float(Fraction("1.225") / 2 * cube), weibull(u)
        for nth, inside in binned(held, width):
            ti = [Fraction(w["wind_speed_std"]) / Fraction(w["wind_speed_mean"]) for w in inside if w["wind_speed_mean"] >= 3 and w["wind_speed_std"] is not None]
            d["bins"].append({
                "lower": bin_edge(nth, width), "upper": bin_edge(nth + 1, width), "count": len(inside),
                "turbulence": float(mean(ti)) if ti else None, "turbulence_count": len(ti),
                "turbulence_representative": float(mean(ti)) + 1.28 * deviation(ti) if len(ti) > 1 else None,
            })
        answer.append(d)
    return {"bin": width, "turbines": answer}


def profile(windows, start, before, turbines, months, variable="wind_speed", tz="UTC"):
    """months are those that the range touches."""
    sums = {}
    for t in turbines:
        for at, w in selected(t, start, before, windows):
            n, m = w.get(variable + "_count"), w.get(variable + "_mean")
            if n is not None and m is not None:
                local = instant(at).astimezone(zoneinfo.ZoneInfo(tz))
                total, count = sums.get((t, local.month, local.hour), (0, 0))
                sums[t, local.month, local.hour] = total + Fraction(m) * int(n), count + int(n)
    rows = []
    for t in turbines:
        for month in months:
            for hour in range(24):
                total, count = sums.get((t, month, hour), (0, 0))
                rows.append({"turbine_id": t, "month": month, "hour": hour, "mean": float(total / count) if count else None, "count": count})
    return {"variable": variable, "tz": tz, "rows": rows}


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
        f"/stats/power-density?{span}": power_density(windows, start, before, every),
        f"/stats/power-density?{span}&turbines=1-2&leave_out=flagged": power_density(windows, start, before, (1, 2), True),
        "/stats/power-density?start=2025-01-01T05:00:00&before=2025-01-01T05:20:00&turbines=2": power_density(windows, "2025-01-01T05:00:00Z", "2025-01-01T05:20:00Z", (2,)),
        "/stats/power-density?start=2024-01-01&before=2024-01-02&turbines=4": power_density(windows, "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", (4,)),
        f"/stats/distribution?{span}": distribution(windows, start, before, every),
        f"/stats/distribution?{span}&turbines=2&bin=0.1": distribution(windows, start, before, (2,), 0.1),
        "/stats/distribution?start=2025-01-01T01:00:00&before=2025-01-01T01:30:00&turbines=1": distribution(windows, "2025-01-01T01:00:00Z", "2025-01-01T01:30:00Z", (1,)),
        f"/stats/profile?{span}&turbines=1,4": profile(windows, start, before, (1, 4), [1]),
        "/stats/profile?start=2024-12-31T22:00:00Z&before=2025-01-03T00:00:00Z&turbines=2&variable=power&tz=America/St_Johns": profile(windows, "2024-12-31T22:00:00Z", before, (2,), [1, 12], "power", "America/St_Johns"),
        "/stats/profile?start=2025-01-01&before=2025-01-02&turbines=3&tz=Asia/Kathmandu": profile(windows, "2024-12-31T18:15:00Z", "2025-01-01T18:15:00Z", (3,), [1], tz="Asia/Kathmandu"),
    }
    with open(HERE / "answers.json", "w") as f:
        json.dump(answers, f, indent=1)
        f.write("\n")


main()
