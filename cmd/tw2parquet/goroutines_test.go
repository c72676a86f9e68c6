package main

import (
	"cmp"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// unguarded are the goroutines that run without bug.Guard, by file and function, and why a panic cannot come out of them.
var unguarded = map[string]string{
	"cmd/tw2parquet/signals.go withSignals": "it only waits for channels; without it no signal would end the run",
	"pipeline/pipeline.go Run":              "it ends a context",
	"sink/dataset/scan.go Scan":             "it hands out channels",
	"sink/store/object/object.go New":       "they end contexts",
	"sink/store/object/retry.go try":        "it ends a context",
	"sink/store/object/upload.go Seal":      "it waits for a group",
	"source/client.go attempt":              "it ends a context",
	"source/frames.go fill":                 "it ends a context",
	"source/pace.go AfterFunc":              "it passes on what is listed where it is called",
	"source/reading.go openRead":            "they end a context",
}

// TestGoroutines_AreGuarded finds every place of the product that starts a goroutine, and wants it to run in bug.Guard.
func TestGoroutines_AreGuarded(t *testing.T) {
	root := filepath.Join("..", "..")
	guarded, left := 0, map[string]string{}
	for name, why := range unguarded {
		left[name] = why
	}
	for _, room := range []string{"cmd", "pipeline", "schema", "sink", "source"} {
		err := filepath.WalkDir(filepath.Join(root, room), func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() && entry.Name() == "storetest" { // a suite for tests
				return cmp.Or(err, fs.SkipDir)
			}
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			file, err := goparser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(strings.TrimPrefix(name, root+string(filepath.Separator)))
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				for _, body := range started(f) {
					place := name + " " + f.Name.Name
					switch {
					case calls(body, "Guard"):
						guarded++
					case unguarded[place] == "":
						t.Errorf("%s starts a goroutine that does not run in bug.Guard", place)
					default:
						delete(left, place)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for place := range left {
		t.Errorf("%s is listed, and starts no unguarded goroutine", place)
	}
	if guarded < 10 {
		t.Errorf("only %d guarded goroutines were found", guarded)
	}
}

// started are the functions that f starts on other goroutines: go statements, and groups and timers that do the same.
func started(f *ast.FuncDecl) (bodies []ast.Node) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			bodies = append(bodies, n.Call)
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) > 0 && (s.Sel.Name == "Go" || s.Sel.Name == "TryGo" || s.Sel.Name == "AfterFunc") {
				bodies = append(bodies, n.Args[len(n.Args)-1])
			}
		}
		return true
	})
	return bodies
}

// calls tells whether a function of that name is called anywhere in n, other goroutines' functions left out.
func calls(n ast.Node, name string) (found bool) {
	first := true
	ast.Inspect(n, func(n ast.Node) bool {
		if _, ok := n.(*ast.GoStmt); ok && !first {
			return false
		}
		first = false
		if call, ok := n.(*ast.CallExpr); ok {
			s, ok := call.Fun.(*ast.SelectorExpr)
			found = found || ok && s.Sel.Name == name
		}
		return true
	})
	return found
}
