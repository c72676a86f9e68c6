package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The form of a database, index files and one file for each entry, is that of
// https://go.dev/security/vuln/database#api.

// entry is what the indexes need of an entry (https://ossf.github.io/osv-schema).
type entry struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Aliases  []string  `json:"aliases"`
	Affected []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
	} `json:"affected"`
}

type dbIndex struct {
	Modified time.Time `json:"modified"`
}

type moduleIndex struct {
	Path  string      `json:"path"`
	Vulns []vulnIndex `json:"vulns"`
}

// vulnIndex may also say what mends a vulnerability. Scanners read that from the entry.
type vulnIndex struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Aliases  []string  `json:"aliases,omitempty"`
}

// writeDatabase makes a database in the directory db from a directory of entries.
func writeDatabase(entries, db string) error {
	names, err := filepath.Glob(filepath.Join(entries, "*.json"))
	if err == nil && len(names) == 0 {
		err = errors.New("there are none")
	}
	if err != nil {
		return fmt.Errorf("list the entries in %s: %w", entries, err)
	}
	var last dbIndex
	var vulns []vulnIndex
	modules := map[string][]vulnIndex{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read an entry: %w", err)
		}
		var e entry
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if e.ID+".json" != filepath.Base(name) {
			return fmt.Errorf("read %s: its entry is %q", name, e.ID)
		}
		if err := write(db, filepath.Join("ID", e.ID), json.RawMessage(text)); err != nil {
			return err
		}
		if e.Modified.After(last.Modified) {
			last.Modified = e.Modified
		}
		vulns = append(vulns, vulnIndex{e.ID, e.Modified, e.Aliases})
		for _, path := range e.modules() {
			modules[path] = append(modules[path], vulnIndex{ID: e.ID, Modified: e.Modified})
		}
	}
	byPath := make([]moduleIndex, 0, len(modules))
	for path, vulns := range modules {
		byPath = append(byPath, moduleIndex{path, vulns})
	}
	slices.SortFunc(byPath, func(a, b moduleIndex) int { return strings.Compare(a.Path, b.Path) })
	for name, index := range map[string]any{"db": last, "modules": byPath, "vulns": vulns} {
		if err := write(db, filepath.Join("index", name), index); err != nil {
			return err
		}
	}
	return nil
}

// modules are the affected ones, each once. "stdlib" and "toolchain" are modules too.
func (e *entry) modules() []string {
	var paths []string
	for _, a := range e.Affected {
		paths = append(paths, a.Package.Name)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

func write(db, name string, value any) error {
	text, err := json.Marshal(value) //nolint:forbidigo // govulncheck reads it, nobody else
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	name = filepath.Join(db, name+".json")
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("write the database: %w", err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		return fmt.Errorf("write the database: %w", err)
	}
	return nil
}
