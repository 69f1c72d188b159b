// Charts of series, one above the other on one axis of time: a line of means on a band
// from minimum to maximum, with flags below. The cursor is on all of them at once.
import uPlot from "uplot";
import { axis, color, keys, plot, stroke, timeApart, timeMarks, together } from "./chart";
import { moved, type Range, zoomed } from "./range";
import type { Flag, Frame, Values } from "./series";

export interface Track {
  variable: string;
  label: string;
  unit: string;
}

export interface Settings {
  range: () => Range;
  hues: () => number[]; // of each turbine
  flags: (variable: string) => { flag: Flag; hue: number }[];
  /** The range was changed by a hand: for good, or while it moves on. */
  chosen: (range: Range, lasting: boolean) => void;
  back: () => void;
  /** The cursor is at a period, or left. */
  at: (index: number | null) => void;
  read: (track: Track, index: number) => string;
}

/** The data of a track as uPlot takes it: minimum, maximum, mean, and the deviation's ends, of each turbine. */
function columns(frame: Frame, track: Track): uPlot.AlignedData {
  const all: Values[] = [];
  for (const { min, max, mean, std } of frame.series.get(track.variable) ?? []) {
    const off = (sign: number): Values => (std ? mean.map((value, i) => (value === null || std[i] == null ? null : value + sign * std[i]!)) : []);
    all.push(min, max, mean, off(-1), off(1));
  }
  return [frame.starts, ...all] as uPlot.AlignedData;
}

// Each period is as wide as it is long, so that a single window beside gaps is seen, and
// no peak is ever thinner than its period.
function eachRun(chart: uPlot, ends: number[], values: Values, from: number, to: number, each: (left: number, right: number, index: number, first: boolean) => void, done?: () => void): void {
  const starts = chart.data[0]!;
  let open = false;
  for (let i = from; i <= to; i++) {
    const broken = values[i] === null || values[i] === undefined;
    if (open && broken) done?.();
    if (!broken) each(chart.valToPos(starts[i]!, "x", true), chart.valToPos(ends[i]!, "x", true), i, !open);
    open = !broken;
    if (open && ends[i] !== starts[i + 1]) {
      done?.();
      open = false;
    }
  }
  if (open) done?.();
}

const nothingElse = { clip: null, band: null, gaps: [], flags: 0 };

function linePaths(ends: () => number[]): uPlot.Series.PathBuilder {
  return (chart, series, from, to) => {
    const path = new Path2D();
    const values = chart.data[series] as Values;
    eachRun(chart, ends(), values, from, to, (left, right, i, first) => {
      const y = chart.valToPos(values[i]!, "y", true);
      if (first) path.moveTo(left, y);
      else path.lineTo(left, y);
      path.lineTo(right, y);
    });
    return { stroke: path, fill: null, ...nothingElse };
  };
}

/** Fills from the series before to this one. */
function bandPaths(ends: () => number[]): uPlot.Series.PathBuilder {
  return (chart, series, from, to) => {
    const path = new Path2D();
    const low = chart.data[series - 1] as Values;
    const high = chart.data[series] as Values;
    let back: [number, number][] = [];
    eachRun(
      chart, ends(), high, from, to,
      (left, right, i, first) => {
        const top = chart.valToPos(high[i]!, "y", true);
        if (first) path.moveTo(left, top);
        else path.lineTo(left, top);
        path.lineTo(right, top);
        const bottom = Math.max(chart.valToPos(low[i]!, "y", true), top + 1);
        back.push([left, bottom], [right, bottom]);
      },
      () => {
        for (const [x, y] of back.reverse()) path.lineTo(x, y);
        path.closePath();
        back = [];
      },
    );
    return { stroke: null, fill: path, ...nothingElse };
  };
}

/** The charts of some tracks in their places. */
export class TimeCharts {
  private charts: { chart: uPlot; track: Track }[] = [];
  private frame: Frame = { step: "10m", starts: [], ends: [], series: new Map(), rows: 0 };
  private readonly point = together(() => this.charts.map(({ chart }) => chart), (index) => this.settings.at(index));

  constructor(
    places: { place: HTMLElement; track: Track }[],
    turbines: number,
    private readonly settings: Settings,
    signal: AbortSignal,
  ) {
    for (const { place, track } of places) this.charts.push({ chart: this.make(place, track, turbines, signal), track });
  }

  /** Draws other values, or the same on another range or with other flags. */
  draw(frame: Frame): void {
    this.frame = frame;
    for (const { chart, track } of this.charts) chart.setData(columns(frame, track));
    // The cursor stays where it is, on another period; uPlot finds it in a microtask of its own.
    queueMicrotask(() => this.charts[0] && this.point(this.charts[0].chart));
  }

  /** Draws the same values on another range. */
  move(): void {
    for (const { chart } of this.charts) chart.setData(chart.data);
  }

  private make(place: HTMLElement, track: Track, turbines: number, signal: AbortSignal): uPlot {
    const ends = (): number[] => this.frame.ends;
    const series: uPlot.Series[] = [{}];
    for (let i = 0; i < turbines; i++) {
      const line = stroke(this.settings.hues()[i]!);
      const hidden: uPlot.Series = { scale: "y", paths: () => null, points: { show: false } };
      const band = (alpha: number): uPlot.Series => ({ scale: "y", paths: bandPaths(ends), points: { show: false }, fill: () => color(`series-${this.settings.hues()[i]! + 1}`, alpha) });
      series.push(hidden, band(turbines > 3 ? 0.12 : 0.2), { ...line, scale: "y", paths: linePaths(ends), points: { show: false } }, hidden, band(0.22));
    }
    const chart = plot(
      place,
      {
        ms: 1,
        padding: [8, 36, 0, 0],
        series,
        scales: { x: { time: true, range: () => [this.settings.range().start, this.settings.range().end] }, y: { range: (_, low, high) => uPlot.rangeNum(low ?? 0, high ?? 1, 0.1, true) } },
        axes: [axis({ incrs: timeApart, values: timeMarks as uPlot.Axis.Values, space: 80, gap: 12, size: 32 }), axis({ scale: "y", size: 56 })],
        cursor: {
          y: false,
          drag: { x: true, y: false, setScale: false },
          points: { show: false },
          dataIdx: (u, _, index, at) => (u.data[0]![index]! > at && index > 0 ? index - 1 : index),
          bind: {
            dblclick: () => () => (this.settings.back(), null),
            mousedown: (u, _, handle) => (event) => (event.shiftKey ? this.drag(u, event) : handle(event)),
          },
        },
        hooks: {
          setCursor: [this.point],
          setSelect: [(u) => this.select(u)],
          draw: [(u) => this.drawFlags(u, track)],
        },
      },
      columns(this.frame, track),
      signal,
    );
    chart.over.addEventListener("wheel", (event) => this.wheel(chart, event), { passive: false });
    keys(chart, place, `${track.label}, ${track.unit}`, {
      read: (index) => this.settings.read(track, index),
      place: (index) => (this.frame.starts[index]! + this.frame.ends[index]!) / 2,
      zoom: (factor, about) => this.settings.chosen(zoomed(this.settings.range(), factor, about), true),
      move: (share) => this.settings.chosen(moved(this.settings.range(), share), true),
      back: () => this.settings.back(),
    }, signal);
    return chart;
  }

  private select(chart: uPlot): void {
    const { left, width } = chart.select;
    if (width < 4) return;
    chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.settings.chosen(zoomed({ start: chart.posToVal(left, "x"), end: chart.posToVal(left + width, "x") }, 1), true);
  }

  private drag(chart: uPlot, event: MouseEvent): null {
    const range = this.settings.range();
    const at = (one: MouseEvent): Range => moved(range, (event.clientX - one.clientX) / chart.over.clientWidth);
    const ended = new AbortController();
    addEventListener("mousemove", (one) => this.settings.chosen(at(one), false), { signal: ended.signal });
    addEventListener("mouseup", (one) => (ended.abort(), this.settings.chosen(at(one), true)), { signal: ended.signal });
    return null;
  }

  // A wheel that is turned upright scrolls the page, as everywhere.
  private wheel(chart: uPlot, event: WheelEvent): void {
    const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
    if (event.ctrlKey) {
      const at = chart.posToVal(event.offsetX, "x");
      this.settings.chosen(zoomed(this.settings.range(), Math.exp(Math.max(-0.5, Math.min(0.5, event.deltaY / 200))), at), false);
    } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      this.settings.chosen(moved(this.settings.range(), sideways / chart.over.clientWidth), false);
    } else return;
    event.preventDefault();
  }

  private drawFlags(chart: uPlot, track: Track): void {
    const { left, top, width, height } = chart.bbox;
    const { ctx } = chart;
    const unit = uPlot.pxRatio;
    for (const { flag, hue } of this.settings.flags(track.variable)) {
      const at = Date.parse(flag.timestamp);
      const x = chart.valToPos(at, "x", true);
      const right = Math.max(chart.valToPos(at + 600_000, "x", true), x + 2 * unit);
      if (right < left || x > left + width) continue;
      ctx.fillStyle = color(`series-${hue + 1}`);
      ctx.fillRect(Math.max(x, left), top + height + 2 * unit, Math.min(right, left + width) - Math.max(x, left), 7 * unit);
    }
  }
}
