#!/bin/sh
# A month from the target API by curl, jq and awk: energy, power curve, coverage.
#
#	sh month.sh 2025-01
set -eu
api=${TARGET_API_URL:-http://localhost:3000}
from=$1-01
before=$(date -u -d "$from + 1 month" +%F)
days=$((($(date -u -d "$before" +%s) - $(date -u -d "$from" +%s)) / 86400))

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# A broken answer is an error (--fail), also when it breaks on the way.
get() { curl --silent --show-error --fail ${TARGET_API_TOKEN:+--oauth2-bearer "$TARGET_API_TOKEN"} --output "$@"; }
get "$dir/turbines.json" "$api/turbines"
get "$dir/windows.csv" \
	"$api/windows?start=$from&before=$before&wide=true&signals=power_mean,power_count,wind_speed_mean&format=csv"
jq --raw-output '.[] | [.id, .sample_interval] | @csv' "$dir/turbines.json" >"$dir/intervals.csv"

awk -F, -v days="$days" '
	{ sub(/\r$/, "") } # CSV ends its lines by CR LF
	NR == FNR { interval[$1] = $2; next }
	FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
	{
		turbine = $column["turbine_id"]; power = $column["power_mean"]; wind = $column["wind_speed_mean"]
		if (power == "") next # nothing was read
		covered = $column["power_count"] * interval[turbine]
		energy[turbine] += power * (covered < 600 ? covered : 600) / 3600
		read[turbine] += $column["power_count"]
		if (wind != "") { bin = int((wind + 0.25) / 0.5); count[bin]++; sum[bin] += power; if (bin > last) last = bin }
	}
	END {
		print "turbine_id,energy_kwh"
		for (t = 1; t <= 1000000; t++) if (t in energy) printf "%d,%.3f\n", t, energy[t]
		print "\nwind_speed,power,windows"
		for (b = 0; b <= last; b++) if (b in count) printf "%.1f,%.3f,%d\n", b / 2, sum[b] / count[b], count[b]
		print "\nturbine_id,read,expected,coverage"
		for (t = 1; t <= 1000000; t++) if (t in read) {
			expected = days * int((86400 + interval[t] - 1) / interval[t])
			printf "%d,%d,%d,%.3f\n", t, read[t], expected, read[t] / expected
		}
	}
' "$dir/intervals.csv" "$dir/windows.csv"
