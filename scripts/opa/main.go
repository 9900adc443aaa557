// The Open Policy Agent, built from its module: Debian has no package of it, and its own go.mod replaces modules, which
// `go install` refuses.
package main

import (
	"os"

	"github.com/open-policy-agent/opa/cmd"
)

func main() {
	if err := cmd.RootCommand.Execute(); err != nil {
		os.Exit(1)
	}
}
