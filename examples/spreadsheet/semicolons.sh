#!/bin/sh
# A month of windows for a spreadsheet whose decimal sign is the comma.
#
#	sh semicolons.sh 2025-01 >windows.csv
set -eu
from=$1-01
before=$(date -u -d "$from + 1 month" +%F)
curl --silent --show-error --fail ${TARGET_API_TOKEN:+--oauth2-bearer "$TARGET_API_TOKEN"} \
	"${TARGET_API_URL:-http://localhost:3000}/windows?start=$from&before=$before&wide=true&signals=power_mean,power_count,wind_speed_mean&format=csv" |
	sed 's/,/;/g; s/\([0-9]\)\.\([0-9]\)/\1,\2/g'
