package store_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What reaches a file, by package. An output is reached through its store alone, so that it may be on a disk
// or anywhere else.
var reaches = map[string]*regexp.Regexp{
	"os": regexp.MustCompile(`^(Chmod|Chown|Chtimes|CopyFS|Create|CreateTemp|DirFS|Lchown|Link|Lstat|Mkdir|MkdirAll|MkdirTemp|NewFile|` +
		`Open|OpenFile|OpenInRoot|OpenRoot|ReadDir|ReadFile|Readlink|Remove|RemoveAll|Rename|Root|Stat|Symlink|Truncate|WriteFile)$`),
	"path/filepath":         regexp.MustCompile(`^(EvalSymlinks|Glob|Walk|WalkDir)$`),
	"io/ioutil":             regexp.MustCompile(`.`),
	"syscall":               system,
	"golang.org/x/sys/unix": system,
}

var system = regexp.MustCompile(`^(Access|Chmod|Creat|Fallocate|Fdatasync|Flock|F?[sS]tat|Fstatat|Fsync|Ftruncate|Getdents|Link|Linkat|Lstat|Mkdir|Mkdirat|` +
	`Mknod|Open|Openat|Openat2|Pread|Readlink|Rename|Renameat2?|Rmdir|Stat|Statx|Symlink|Sync|Truncate|Unlink|Unlinkat)$`)

// methods are those of open files and directories, whatever type has them.
var methods = regexp.MustCompile(`^(Chmod|Link|Lstat|Mkdir|ReadDir|Readdir|Readdirnames|Rename|Stat|Symlink|Sync|SyncDir)$`)

// elsewhere are the functions that reach files which are no part of an output, and what those are. A command
// has inputs, a result file and a program of its own; it knows an output by its path only, and gives that to
// package store.
var elsewhere = map[string]string{
	"sink/dataset/limit_linux.go limit":  "/proc",
	"sink/dataset/values.go HandedFiles": "what verify has opened",
	"sink/table/iceberg/try.go unmade":   "a catalog's own database",

	"cmd/tw2parquet/convert.go expand":           "recordings",
	"cmd/tw2parquet/inputs.go open":              "recordings",
	"cmd/tw2parquet/inputs.go identify":          "recordings",
	"cmd/tw2parquet/iceberg.go beyond":           "a catalog's own directory",
	"cmd/tw2parquet/man.go replacePage":          "pages of the manual",
	"cmd/tw2parquet/roots.go bringRoots":         "the system's certificates",
	"cmd/tw2parquet/emulate.go config":           "the fault script",
	"cmd/tw2parquet/flags.go hideEarly":          "the token's file",
	"cmd/tw2parquet/flags.go warnOfReaders":      "the token's file",
	"cmd/tw2parquet/flags.go readLimited":        "the token's file",
	"cmd/tw2parquet/verify.go ownProgram":        "this program",
	"cmd/tw2parquet/redact.go samePlace":         "standard output and error",
	"cmd/tw2parquet/descriptor.go follow":        "the result file",
	"cmd/tw2parquet/descriptor.go inherited":     "the result file",
	"cmd/tw2parquet/mount_linux.go mountPoint":   "the result file",
	"cmd/tw2parquet/scheduler.go leave":          "the termination message",
	"cmd/tw2parquet/resultfile.go find":          "the result file",
	"cmd/tw2parquet/resultfile.go regular":       "the result file",
	"cmd/tw2parquet/resultfile.go openPipe":      "the result file",
	"cmd/tw2parquet/resultfile.go stageable":     "the result file",
	"cmd/tw2parquet/resultfile.go replaceable":   "the result file",
	"cmd/tw2parquet/resultfile.go replaceFile":   "the result file",
	"cmd/tw2parquet/resultfile.go overwriteFile": "the result file",
}

// layouts are the files that know what lies where in the state directory. A name in a store is made nowhere else.
var layouts = map[string]bool{"sink/layout.go": true, "sink/names.go": true}

// TestFence_OutputsAreReachedThroughStores reads the code of the rooms above this one.
func TestFence_OutputsAreReachedThroughStores(t *testing.T) {
	used := map[string]bool{}
	for _, room := range []string{"sink", "sink/dataset", "sink/dataset/report", "sink/table", "sink/table/iceberg", "pipeline", "cmd/tw2parquet"} {
		files, err := filepath.Glob(filepath.Join("../..", room, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(room, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			code, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			name := room + "/" + filepath.Base(file)
			for _, b := range breaches(code, layouts[name]) {
				if at := name + " " + b.function; b.reach && elsewhere[at] != "" {
					used[at] = true
					continue
				}
				t.Errorf("%s: %s in %s: an output is reached through package store", set.Position(b.pos), b.what, b.function)
			}
		}
	}
	for at := range elsewhere {
		if !used[at] {
			t.Errorf("%s reaches no file any more", at)
		}
	}
}

// The rule finds what it is for: otherwise nobody would notice that it finds nothing.
func TestFence_SeesEveryWayThrough(t *testing.T) {
	const head = "package p\nimport (\"os\"; files \"path/filepath\"; \"syscall\"; \"golang.org/x/sys/unix\"; \"tw2parquet/sink\"; \"tw2parquet/sink/store\")\nfunc f() { "
	for line, bad := range map[string]bool{
		"os.Mkdir(x, 0o777)": true, "os.Rename(a, b)": true, "os.OpenRoot(x)": true, "open := os.Open": true, "f.Sync()": true, "f.Stat()": true,
		"root.Lstat(x)": true, "syscall.Fsync(3)": true, "unix.Renameat2(1, a, 2, b, 0)": true, "files.WalkDir(x, f)": true,
		"files.Join(root, sink.StateDir, run)": true, `files.Join(root, "_tw2parquet", run)`: true, `fmt.Sprintf("%s/_tw2parquet/%s", root, run)`: true,
		"var r *os.Root":           true,
		"store.Stat(ctx, s, name)": false, "store.Open(ctx, s, e)": false, "os.Getenv(x)": false, "unix.Setrlimit(1, x)": false, "syscall.ENOENT.Error()": false,
		`help("not in _tw2parquet")`: false, "var f *os.File": false, "files.Join(a, b)": false,
	} {
		code, err := parser.ParseFile(token.NewFileSet(), "", head+line+" }", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(line, err)
		}
		if got := breaches(code, false); (len(got) > 0) != bad {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// breach is a place that reaches a file or a name it should not.
type breach struct {
	pos            token.Pos
	function, what string
	reach          bool // a file, and not a name
}

func breaches(code *ast.File, layout bool) (all []breach) {
	imported := map[string]string{}
	for _, i := range code.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		name := p[strings.LastIndex(p, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		imported[name] = p
	}
	for _, d := range code.Decls {
		function := "a declaration"
		if f, ok := d.(*ast.FuncDecl); ok {
			function = f.Name.Name
		}
		ast.Inspect(d, func(n ast.Node) bool {
			add := func(reach bool, format string, args ...any) {
				all = append(all, breach{n.Pos(), function, fmt.Sprintf(format, args...), reach})
			}
			switch n := n.(type) {
			case *ast.SelectorExpr:
				x, _ := n.X.(*ast.Ident)
				switch {
				case n.Sel.Name == "StateDir":
					if !layout {
						add(false, "StateDir")
					}
				case x != nil && imported[x.Name] != "":
					if r := reaches[imported[x.Name]]; r != nil && r.MatchString(n.Sel.Name) {
						add(true, "%s.%s", x.Name, n.Sel.Name)
					}
				case methods.MatchString(n.Sel.Name):
					add(true, "the method %s", n.Sel.Name)
				}
			case *ast.Ident:
				if n.Name == "StateDir" && !layout {
					add(false, "StateDir")
				}
			case *ast.BasicLit:
				text, err := strconv.Unquote(n.Value)
				if n.Kind == token.STRING && err == nil && (text == "_tw2parquet" || strings.Contains(text, "_tw2parquet/")) {
					add(false, "a name under _tw2parquet")
				}
			}
			return true
		})
	}
	return all
}
