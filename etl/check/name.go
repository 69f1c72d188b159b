package check

// Name names a check.
type Name string

const (
	// Completeness points at samples that are missing, a minute of the day
	// without any by turbine, and at readings that are missing in samples that
	// are there. Statistics of half a window look like those of a whole one.
	//
	// It counts minutes, not samples, so that a turbine that logs twice in one
	// minute does not make up for another minute.
	Completeness Name = "completeness"

	// Digest points at a source that no longer holds what was loaded: it changed
	// while it was read. The digest of the samples as they arrived is held against
	// the source's own, asked for after the last of them.
	Digest Name = "digest"

	// Frozen points at a sensor that repeats one reading: 30 readings or more
	// over 30 minutes or more, to the last bit. A flat run alone is no fault, so
	// none of these counts:
	//
	//   - a run that others share: over its time, a quarter of the other turbines
	//     or more have one of their own, as in a logger that rounds to whole
	//     degrees. These are runs that count but for this, so the neighbours at
	//     rated power do not hide a sensor that is stuck elsewhere;
	//   - power at or below zero, a turbine at rest, and power from nine tenths of
	//     the turbine's highest on, rated power or the day's set point;
	//   - wind below half a metre a second, a calm, unless the turbine's own power
	//     moved meanwhile;
	//   - without any other turbine there are no neighbours to ask: then wind
	//     alone is judged, and counts when the turbine's own power moved meanwhile
	//     by a tenth of its highest.
	//
	// A missing reading or ten minutes without a sample end a run.
	Frozen Name = "frozen"

	// Order points at turbines whose samples came twice or out of order of time.
	// There are no windows of such a series, so it is refused whatever the rule
	// says: the turbine keeps the values that it had, the others are loaded, and
	// the day fails and names it.
	Order Name = "order"

	// PowerCurve points at windows whose mean power is far off the turbine's own
	// power curve of that day, as with ice on the blades, a derating or a stop in
	// good wind. The curve is the median in bins of half a metre a second, as IEC
	// 61400-12-1 has them, where eight windows or more make a bin. Far is more
	// than six robust standard deviations (from the bin's median absolute
	// deviation) and more than a fifth of the turbine's highest power.
	//
	// It is a day's own curve: what ails a turbine all day is the curve then. From
	// 20 m/s on a turbine may stop in a storm and nothing is judged, and windows
	// with fewer than five readings are left out.
	PowerCurve Name = "power_curve"

	// Range points at readings outside the limits of the variable's rule, both
	// limits being allowed: no instrument can mean them.
	Range Name = "range"
)

// Version grows when a check would find something else in the same samples:
// results and flags say by which version they were found.
func (n Name) Version() int32 {
	return 1
}
