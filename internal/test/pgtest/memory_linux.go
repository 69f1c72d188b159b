package pgtest

import "syscall"

// memory is where a Linux system keeps files in memory.
const memory = "/dev/shm"

// roomy says whether the file system of dir has space for every package's
// tests at once, and runs programs. A container's /dev/shm is often 64 MB.
func roomy(dir string) bool {
	const enough = 4 << 30
	var fs syscall.Statfs_t
	const writable, searchable = 2, 1
	const noexec = 8 // of a file system's flags
	return syscall.Access(dir, writable|searchable) == nil &&
		syscall.Statfs(dir, &fs) == nil && fs.Bavail*uint64(fs.Bsize) >= enough && fs.Flags&noexec == 0
}
