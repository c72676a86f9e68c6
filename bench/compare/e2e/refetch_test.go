package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// TestRefetch_FilesComeBack lets files of a complete run go missing and change, and has them read again.
func TestRefetch_FilesComeBack(t *testing.T) {
	long(t, "TestRefetch_SurvivesTheStream, and the tests of package pipeline")
	a := serve(t, small())
	out := a.output()
	e := a.export(0, out, oneWindow[:]...)
	w := e.result.Windows[0]
	if len(w.Files) < 5 {
		t.Fatalf("%d files", len(w.Files))
	}
	file := func(i int) string { return filepath.Join(out, w.Files[i]) }
	cut := func(i int) {
		t.Helper()
		content, err := os.ReadFile(file(i))
		if err == nil {
			err = os.Remove(file(i))
		}
		if err == nil {
			err = os.WriteFile(file(i), content[:len(content)/2], 0o440)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, damage := range map[string]func(){
		"middle":  func() { _ = os.Remove(file(2)) },
		"last":    func() { _ = os.Remove(file(len(w.Files) - 1)) },
		"several": func() { _ = os.Remove(file(0)); cut(1); cut(3) },
		"all":     func() { _ = os.RemoveAll(filepath.Dir(file(0))) },
	} {
		t.Run(name, func(t *testing.T) {
			damage()
			before := listing(t, out)
			refused := a.export(53, out, oneWindow[:]...)
			if !strings.Contains(refused.result.Error.Hint, "--refetch") || !strings.Contains(refused.result.Error.Message, "part-"+w.Run) {
				t.Errorf("%+v", refused.result.Error)
			}
			if listing(t, out) != before {
				t.Error("something was touched without being asked")
			}
			changing := len(a.Ledger().Changing())
			again := a.export(0, out, append(oneWindow[:], "--refetch")...)
			a.expectComplete(again, out)
			w = again.result.Windows[0] // its files have other names now
			if n := len(a.Ledger().Changing()); n != changing {
				t.Errorf("%d changing calls", n-changing)
			}
			a.run(0, "verify", out)
			a.expectQuiet(0, out, oneWindow[:]...)
			a.expectQuiet(0, out, append(oneWindow[:], "--refetch")...)
		})
	}
}

// TestRefetch_WhenTheCollectorIsGone names what is lost, what it would cost, and touches nothing.
func TestRefetch_WhenTheCollectorIsGone(t *testing.T) {
	for name, happens := range map[string]func(a *account, run string){
		"deleted": func(a *account, run string) { a.run(0, "collectors", "delete", "--yes", "tw2p-"+run) },
		"expired": func(a *account, _ string) { a.Advance(8 * 24 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, small())
			out := a.output()
			e := a.export(0, out, oneWindow[:]...)
			w := e.result.Windows[0]
			if err := os.Remove(filepath.Join(out, w.Files[1])); err != nil {
				t.Fatal(err)
			}
			happens(a, w.Run)
			before, posts := published(t, out), a.Ledger().ExportPosts()
			r := a.export(43, out, append(oneWindow[:], "--refetch")...)
			said := r.result.Error.Message + r.result.Error.Hint
			for _, part := range []string{filepath.Base(w.Files[1]), "--generation 2", "credits"} {
				if !strings.Contains(said, part) {
					t.Errorf("%q is not in %s", part, said)
				}
			}
			if now := published(t, out); len(now) != len(before) {
				t.Errorf("files are now %v", now)
			}
			if n := a.Ledger().ExportPosts(); n != posts {
				t.Errorf("%d posts", n-posts)
			}
		})
	}
}

// TestRefetch_NeverBuys asks for the files of an export that nobody made.
func TestRefetch_NeverBuys(t *testing.T) {
	a := serve(t, small())
	e := a.export(43, a.output(), append(oneWindow[:], "--refetch")...)
	if !strings.Contains(e.result.Error.Hint, "without --refetch") {
		t.Errorf("%+v", e.result.Error)
	}
	for _, r := range a.Ledger().Requests {
		if r.Method != "GET" {
			t.Errorf("%s %s", r.Method, r.Endpoint)
		}
	}
}

// TestRefetch_SurvivesTheStream breaks the reads that bring the files back.
func TestRefetch_SurvivesTheStream(t *testing.T) {
	a := serve(t, dense())
	out := a.output()
	e := a.export(0, out, oneWindow[:]...)
	for _, i := range []int{0, 2, 3} {
		if err := os.Remove(filepath.Join(out, e.result.Windows[0].Files[i])); err != nil {
			t.Fatal(err)
		}
	}
	a.script(`{"endpoint":"results","to":6,"cut":{"at":70000,"how":"reset"}}`,
		`{"endpoint":"results","nth":7,"respond":{"http":503,"body":"maintenance"}}`)
	again := a.export(0, out, append(oneWindow[:], "--refetch")...)
	a.expectComplete(again, out)
	if n := len(a.Ledger().Calls(emulator.EndpointExport)); n != 1 {
		t.Errorf("%d posts", n)
	}
}
