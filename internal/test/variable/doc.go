// Package variable shows that a new variable is a change of the contracts alone.
package variable
