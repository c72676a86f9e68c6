package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rebuilt is the binary as it would be if some of its files were others. Their names are relative to the
// module, and every edit has to change something.
func rebuilt(t *testing.T, edits map[string]func(text string) string) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := map[string]map[string]string{"Replace": {}}
	for file, edit := range edits {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		edited := edit(string(text))
		if edited == string(text) {
			t.Fatalf("%s is not what it was when this test was written", file)
		}
		name := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(name, []byte(edited), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][filepath.Join(root, file)] = name
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "tw2parquet")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", other, "./cmd/tw2parquet")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return other
}

// importing adds imports to a file.
func importing(text string, packages ...string) string {
	return strings.Replace(text, "import (", "import (\n\""+strings.Join(packages, "\"\n\"")+"\"", 1)
}
