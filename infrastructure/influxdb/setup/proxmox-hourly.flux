// The mean of every number of an hour, kept for years in proxmox-hourly. Three hours are read, so that a task that did not
// run once or twice leaves no gap: what is written again is the same.
import "types"

option task = {name: "proxmox-hourly", every: 1h, offset: 10m}

from(bucket: "proxmox")
    |> range(start: -3h)
    |> filter(fn: (r) => types.isNumeric(v: r._value))
    |> aggregateWindow(every: 1h, fn: mean, createEmpty: false)
    |> to(bucket: "proxmox-hourly", org: "homelab")
