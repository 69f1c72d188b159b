// Package delivery has tests alone. They hold together what is outside of Go's
// view: the compose file with .env.example and the image, the pinned tools, and
// the one import rule that lint can't check, since it leaves generated files out.
package delivery
