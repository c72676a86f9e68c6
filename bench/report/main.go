// Command report writes pages of made-up reports, for the tests in a browser.
package main

import (
	"fmt"
	"io"
	"os"

	"tw2parquet/sink/dataset/report"
	"tw2parquet/sink/dataset/report/reporttest"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	reports := map[string]func() report.Report{"troubled": reporttest.Troubled, "large": reporttest.Large, "empty": reporttest.Empty}
	if len(args) != 1 || reports[args[0]] == nil {
		fmt.Fprintln(stderr, "report: name one of troubled, large, empty")
		return 2
	}
	r := reports[args[0]]()
	if err := r.Page(stdout); err != nil {
		fmt.Fprintln(stderr, "report:", err)
		return 1
	}
	return 0
}
