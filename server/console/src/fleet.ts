// Turbines against their fleet: the median of all in each bin of wind speed.
import type { Schemas } from "./api";

type Curve = Schemas["PowerCurve"];

/** The median power of the complete bins of all turbines, by a bin's lower end, where three have one, or both of two. */
export function medians(curves: Curve[]): Map<number, number> {
  const powers = new Map<number, number[]>();
  for (const { bins } of curves) {
    for (const { lower, power, complete } of bins) if (complete) powers.set(lower, [...(powers.get(lower) ?? []), power]);
  }
  const found = new Map<number, number>();
  for (const [lower, values] of powers) {
    if (values.length < Math.min(3, Math.max(2, curves.length))) continue;
    values.sort((a, b) => a - b);
    const half = values.length / 2;
    found.set(lower, (values[Math.ceil(half) - 1]! + values[Math.floor(half)]!) / 2);
  }
  return found;
}

/** How far each turbine's power is from the median's, as a share of it, weighted by its windows. */
export function byMedian(curves: Curve[]): { curve: Curve; difference: number | undefined }[] {
  const median = medians(curves);
  return curves.map((curve) => {
    let [own, usual] = [0, 0];
    for (const { lower, power, count, complete } of curve.bins) {
      const of = median.get(lower);
      if (of === undefined || !complete) continue;
      own += count * power;
      usual += count * of;
    }
    return { curve, difference: usual > 0 ? own / usual - 1 : undefined };
  });
}
