package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"io"
	"slices"
	"text/tabwriter"
)

// message is a part of govulncheck's stream; one of its members is set.
type message struct {
	Config *struct {
		GoVersion string `json:"go_version"`
	} `json:"config"`
	OSV *struct {
		ID      string `json:"id"`
		Summary string `json:"summary"`
	} `json:"osv"`
	Finding *struct {
		OSV   string `json:"osv"`
		Fixed string `json:"fixed_version"`
		Trace []struct {
			Module   string `json:"module"`
			Version  string `json:"version"`
			Package  string `json:"package"`
			Function string `json:"function"`
		} `json:"trace"`
	} `json:"finding"`
}

// depth is how much of a vulnerable module is used.
type depth int

const (
	required depth = iota // the module
	imported              // the package
	called                // the function
)

func (d depth) String() string { return [...]string{"required", "imported", "called"}[d] }

// finding is one vulnerability in one module, whatever ways lead to it.
type finding struct {
	id, module, version string
	fixed               string // the version that mends it; "" if there is none yet
	depth               depth
}

// ofGo tells what comes with Go from what a go.mod names.
func (f *finding) ofGo() bool { return f.module == "stdlib" || f.module == "toolchain" }

type report struct {
	goVersion string
	summaries map[string]string
	findings  []*finding
}

// readReport reads govulncheck's JSON, and refuses one that is not a whole scan: silence is not safety.
func readReport(in io.Reader) (*report, error) {
	r := &report{summaries: map[string]string{}}
	known := map[[2]string]*finding{}
	for dec := json.NewDecoder(in); ; {
		var m message
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read what govulncheck found: %w", err)
		}
		switch {
		case m.Config != nil:
			r.goVersion = m.Config.GoVersion
		case m.OSV != nil:
			r.summaries[m.OSV.ID] = m.OSV.Summary
		case m.Finding != nil && len(m.Finding.Trace) > 0:
			at := m.Finding.Trace[0]
			key := [2]string{m.Finding.OSV, at.Module}
			f := known[key]
			if f == nil {
				f = &finding{id: m.Finding.OSV, module: at.Module, version: at.Version, fixed: m.Finding.Fixed}
				known[key] = f
				r.findings = append(r.findings, f)
			}
			switch {
			case at.Function != "":
				f.depth = called
			case at.Package != "":
				f.depth = max(f.depth, imported)
			}
		}
	}
	if r.goVersion == "" {
		return nil, errors.New("govulncheck did not say what it scanned with")
	}
	slices.SortFunc(r.findings, func(a, b *finding) int {
		return cmp.Or(cmp.Compare(a.module, b.module), cmp.Compare(a.id, b.id))
	})
	return r, nil
}

// fails tells whether a newer module mends something. How deep it is used does not matter: raising a
// version costs less than finding out.
func (r *report) fails() bool {
	return slices.ContainsFunc(r.findings, func(f *finding) bool { return !f.ofGo() && f.fixed != "" })
}

// newerGo is the Go that mends what a newer Go mends, "" if nothing is left to mend.
func (r *report) newerGo() string {
	best := ""
	for _, f := range r.findings {
		if v := "go" + trimV(f.fixed); f.ofGo() && f.fixed != "" && version.Compare(v, best) > 0 {
			best = v
		}
	}
	return best
}

func trimV(s string) string {
	if s != "" && s[0] == 'v' {
		return s[1:]
	}
	return s
}

func (r *report) print(out io.Writer, dir string) {
	fmt.Fprintf(out, "%s with %s: %d\n", dir, r.goVersion, len(r.findings))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.findings {
		fixed := "not mended yet"
		if f.fixed != "" {
			fixed = "mended by " + f.fixed
		}
		fmt.Fprintf(w, "  %s\t%s %s\t%s\t%s\t%s\n", f.id, f.module, f.version, fixed, f.depth, r.summaries[f.id])
	}
	w.Flush() //nolint:errcheck // as Fprintf
	if v := r.newerGo(); v != "" {
		fmt.Fprintf(out, "  build with %s or newer, which mends those of the standard library\n", v)
	}
}
