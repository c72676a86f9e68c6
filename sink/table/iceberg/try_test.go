package iceberg

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lib "github.com/apache/iceberg-go"

	"tw2parquet/sink/table"
)

// found is what a look finds.
type found struct {
	catalog, table bool
	metadata       string
}

// try looks at the table, and holds the output against what it was before.
func (l *lake) try(change func(*Config)) (f found, err error) {
	l.t.Helper()
	before := l.names()
	defer func() {
		l.t.Helper()
		if after := l.names(); !slices.Equal(before, after) {
			l.t.Errorf("it left %q, before %q", after, before)
		}
	}()
	cfg := l.cfg
	if change != nil {
		change(&cfg)
	}
	x, err := Try(l.t.Context(), cfg)
	if err != nil {
		return f, err
	}
	defer x.Close()
	f.catalog = x.There()
	if f.table, err = x.Load(l.t.Context()); err != nil {
		return f, err
	}
	f.metadata, err = x.Metadata()
	return f, err
}

// names are all files of the output, and of the directory of the catalog.
func (l *lake) names() (names []string) {
	l.t.Helper()
	for e, err := range l.store.List(l.t.Context(), "") {
		l.must(err)
		names = append(names, e.Name)
	}
	if file, ok := strings.CutPrefix(l.cfg.Catalog, "sql:sqlite:///"); ok {
		files, err := os.ReadDir(filepath.Dir(file))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.t.Fatal(err)
		}
		for _, f := range files {
			names = append(names, f.Name())
		}
	}
	slices.Sort(names)
	return names
}

func TestTry_ADatabase(t *testing.T) {
	for kind, open := range outputs {
		t.Run(kind, func(t *testing.T) {
			l := open(t)
			l.write(1, 1)
			expect := func(what string, want found, change func(*Config)) {
				t.Helper()
				if got, err := l.try(change); err != nil || got != want {
					t.Errorf("%s: %+v, %v, want %+v", what, got, err, want)
				}
			}
			warehouse := func(c *Config) { c.Properties = map[string]string{"warehouse": "file:///srv/warehouse/"} }
			expect("nothing is there", found{}, nil)
			expect("nothing is there, with a warehouse", found{metadata: "file:///srv/warehouse/docs.db/talkwalker/metadata"}, warehouse)
			l.must(os.WriteFile(strings.TrimPrefix(l.cfg.Catalog, "sql:sqlite:///"), nil, 0o600)) // as SQLite leaves it before it is written to
			expect("an empty database", found{catalog: true}, nil)
			l.expect("registered", nil, table.Added)
			expect("registered", found{true, true, ""}, nil)
			expect("registered, with a warehouse since", found{true, true, ""}, warehouse)
			expect("another table", found{catalog: true}, func(c *Config) { c.Table = "docs.another" })
			l.expect("registered again", nil, table.Known)
		})
	}
}

// Whatever a registration is refused for is told.
func TestTry_WhatIsWrong(t *testing.T) {
	ours, err := ourSchema()
	if err != nil {
		t.Fatal(err)
	}
	other := slices.Clone(ours.Fields())
	for i := range other {
		if other[i].Name == "published" {
			other[i].Type = lib.PrimitiveTypes.String
		}
	}
	field, _ := ours.FindFieldByName("lang")
	spec := lib.NewPartitionSpec(lib.PartitionField{SourceIDs: []int{field.ID}, FieldID: 1000, Name: "lang", Transform: lib.IdentityTransform{}})
	for name, x := range map[string]struct {
		make   func(l *lake, file string)
		reason table.Reason
	}{
		"another type": {func(l *lake, _ string) { l.precreate(lib.NewSchema(0, other...), lib.UnpartitionedSpec, nil) }, table.Types},
		"partitioned":  {func(l *lake, _ string) { l.precreate(ours, &spec, nil) }, table.Feature},
		"no database": {func(l *lake, file string) {
			l.must(os.WriteFile(file, []byte(strings.Repeat("no database", 100)), 0o600))
		}, table.Catalog},
		"no directory": {func(l *lake, file string) { l.must(os.Remove(filepath.Dir(file))) }, table.Catalog},
		"the metadata are gone": {func(l *lake, _ string) {
			l.write(1, 1)
			l.expect("registered", nil, table.Added)
			l.must(os.RemoveAll(filepath.Join(l.dir(), Dir)))
		}, table.Catalog},
	} {
		t.Run(name, func(t *testing.T) {
			l := outputs["disk"](t)
			x.make(l, strings.TrimPrefix(l.cfg.Catalog, "sql:sqlite:///"))
			_, err := l.try(nil)
			var e *table.Error
			if !errors.As(err, &e) || e.Reason != x.reason || e.Hint == "" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTry_REST(t *testing.T) {
	l, f := restLake(t)
	l.write(1, 1)
	f.fault = func(r *http.Request, _ bool) int {
		t.Errorf("it sent %s %s", r.Method, r.URL)
		return 0
	}
	if got, err := l.try(nil); err != nil || got != (found{catalog: true}) {
		t.Errorf("%+v, %v", got, err)
	}
	f.fault = func(*http.Request, bool) int { return 0 }
	l.expect("registered", nil, table.Added)
	if got, err := l.try(nil); err != nil || got != (found{true, true, ""}) || f.commits != 1 {
		t.Errorf("%+v, %v, %d commits", got, err, f.commits)
	}
	var e *table.Error
	f.mu.Lock()
	f.token = "Secr3t-of-the-catalog"
	f.mu.Unlock()
	if _, err := l.try(nil); !errors.As(err, &e) || e.Reason != table.Catalog || e.Again || !strings.Contains(e.Hint, "credentials") {
		t.Errorf("%+v", err)
	}
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	l.cfg.Catalog = "rest:" + ill.URL
	if _, err := l.try(nil); !errors.As(err, &e) || e.Reason != table.Catalog || !e.Again {
		t.Errorf("%+v", err)
	}
	ill.Close()
	if _, err := l.try(nil); !errors.As(err, &e) || e.Reason != table.Catalog || !e.Again {
		t.Errorf("%+v", err)
	}
}
