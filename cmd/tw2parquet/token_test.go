package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTokenFile_WarnsWhenOthersMayReadIt(t *testing.T) {
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o644: true} {
		name := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(name, []byte("some-secret-token\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		_, stdout, stderr := call(t, "credits", "--token-file", name, "--base-url", "http://example.org") // refused before any call
		if got := strings.Contains(stderr, "token file"); got != warns {
			t.Errorf("mode %v: warned %v: %s", mode, got, stderr)
		}
		if strings.Contains(stdout+stderr, "some-secret-token") {
			t.Errorf("the token was printed: %s%s", stdout, stderr)
		}
	}
}
