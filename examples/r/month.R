# A month from the target API by R: energy, power curve, coverage.
#
#	Rscript month.R 2025-01
api <- Sys.getenv("TARGET_API_URL", "http://localhost:3000")
token <- Sys.getenv("TARGET_API_TOKEN")
get <- function(path) url(paste0(api, path), headers = if (nzchar(token)) c(Authorization = paste("Bearer", token)))
from <- as.Date(paste0(commandArgs(trailingOnly = TRUE)[1], "-01"))
before <- seq(from, by = "month", length.out = 2)[2]

turbines <- jsonlite::fromJSON(get("/turbines"))
windows <- read.csv(get(paste0(
  "/windows?start=", from, "&before=", before,
  "&wide=true&signals=power_mean,power_count,wind_speed_mean&format=csv"
)))
windows <- windows[!is.na(windows$power_mean), ]
interval <- turbines$sample_interval[match(windows$turbine_id, turbines$id)]

show <- function(table) {
  write.csv(table, row.names = FALSE, quote = FALSE)
  cat("\n")
}

covered <- pmin(windows$power_count * interval, 600) # seconds of each window
energy <- tapply(windows$power_mean * covered / 3600, windows$turbine_id, sum)
show(data.frame(turbine_id = names(energy), energy_kwh = sprintf("%.3f", energy)))

both <- windows[!is.na(windows$wind_speed_mean), ]
bin <- floor((both$wind_speed_mean + 0.25) / 0.5) / 2
power <- tapply(both$power_mean, bin, mean)
show(data.frame(
  wind_speed = sprintf("%.1f", as.numeric(names(power))),
  power = sprintf("%.3f", power), windows = as.vector(table(bin))
))

read <- tapply(windows$power_count, windows$turbine_id, sum)
interval <- turbines$sample_interval[match(names(read), turbines$id)]
expected <- as.integer(before - from) * ceiling(86400 / interval)
show(data.frame(
  turbine_id = names(read), read = as.vector(read), expected = expected,
  coverage = sprintf("%.3f", read / expected)
))
