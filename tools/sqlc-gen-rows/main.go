// Command sqlc-gen-rows is a plugin of sqlc for queries whose rows are too many
// to be collected. README.md says how to use it.
package main

import "github.com/sqlc-dev/plugin-sdk-go/codegen"

func main() { codegen.Run(generate) }
