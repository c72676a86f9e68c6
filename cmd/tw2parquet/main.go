// Command tw2parquet exports social-listening documents from Talkwalker into Parquet files.
package main

import (
	"context"
	"os"
)

func main() {
	keepPrivate()
	bringRoots(systemRoots)
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
