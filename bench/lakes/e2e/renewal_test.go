package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// issuer gives the credentials of one user after the other, as those of a role are. Once it expires, requests signed by the
// first are refused in the middle of a run.
type issuer struct {
	l               *lake
	dir             string
	expired         atomic.Bool
	renewed         atomic.Bool // whether the second are given out
	refused, signed atomic.Int64
}

// users make an export of large files that an issuer's credentials allow.
func users(t *testing.T) (*issuer, *account, []string) {
	t.Helper()
	l, a, args := trial(t, true)
	i := &issuer{l: l, dir: t.TempDir()}
	var names []string
	for n := range 2 {
		if err := l.server.CreateUser(t.Context(), i.user(n), i.user(n)+"-secret"); err != nil {
			t.Fatal(err)
		}
		names = append(names, i.user(n))
	}
	l.grantAll(names)
	a.env = slices.DeleteFunc(slices.Clone(l.env), func(entry string) bool {
		return strings.HasPrefix(entry, "AWS_ACCESS_KEY_ID=") || strings.HasPrefix(entry, "AWS_SECRET_ACCESS_KEY=")
	})
	return i, a, args
}

func (i *issuer) user(n int) string { return fmt.Sprintf("role-%d-of-%s", n, i.l.bucket) }

// current is which of the two users' credentials are given out.
func (i *issuer) current() int {
	if i.renewed.Load() {
		return 1
	}
	return 0
}

// grantAll lets users do everything in the bucket.
func (l *lake) grantAll(names []string) {
	l.t.Helper()
	l.setPolicy([]statement{{Effect: "Allow", Principal: map[string]any{"AWS": names}, Action: "s3:*", Resource: []string{"arn:aws:s3:::" + l.bucket, "arn:aws:s3:::" + l.bucket + "/*"}}})
}

// document is what a process or a container's endpoint answers.
func (i *issuer) document(version bool) []byte {
	values := map[string]any{
		"AccessKeyId": i.user(i.current()), "SecretAccessKey": i.user(i.current()) + "-secret",
		"Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	}
	if version {
		values["Version"] = 1
	}
	return must[[]byte](i.l.t)(json.Marshal(values))
}

// write replaces a file.
func (i *issuer) write(name string, content []byte) string {
	i.l.t.Helper()
	name = filepath.Join(i.dir, name)
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		i.l.t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		i.l.t.Fatal(err)
	}
	return name
}

// ways are those in which credentials come to a process: what the environment says of it, and what renews them.
func (i *issuer) ways() map[string]func() (env []string, renew func()) {
	renew := func() { i.renewed.Store(true) }
	return map[string]func() ([]string, func()){
		"container": func() ([]string, func()) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(i.document(false))
			}))
			i.l.t.Cleanup(server.Close)
			return []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + server.URL + "/role"}, renew
		},
		"process": func() ([]string, func()) {
			file := i.write("role.json", i.document(true))
			config := i.write("config", []byte("[default]\ncredential_process = /bin/cat "+file+"\n"))
			return []string{"AWS_CONFIG_FILE=" + config}, func() {
				renew()
				i.write("role.json", i.document(true))
			}
		},
		"file": func() ([]string, func()) {
			text := func() []byte {
				return fmt.Appendf(nil, "[default]\naws_access_key_id = %[1]s\naws_secret_access_key = %[1]s-secret\n", i.user(i.current()))
			}
			name := i.write("credentials", text())
			return []string{"AWS_SHARED_CREDENTIALS_FILE=" + name}, func() {
				renew()
				i.write("credentials", text())
			}
		},
	}
}

// refuse expires the first user's credentials at a part, and renews them if that is wanted.
func (i *issuer) refuse(renew func()) {
	expired := answer(http.StatusForbidden, "ExpiredToken")
	var parts atomic.Int64
	i.l.proxy.Hook(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if kind(r) == "part" && parts.Add(1) == 2 {
			if renew != nil {
				renew()
			}
			i.expired.Store(true)
		}
		switch by := r.Header.Get("Authorization"); {
		case strings.Contains(by, i.user(1)+"/"):
			i.signed.Add(1)
		case i.expired.Load():
			i.refused.Add(1)
			expired(w, r, forward)
			return
		}
		forward.ServeHTTP(w, r)
	})
}

// Credentials that expire in the middle of a run are fetched anew where a process or an endpoint gives them. Where they are
// not renewed, or lie in a file that is read once, the run ends as one that may be started again, and that one goes on.
func TestRenewal(t *testing.T) {
	for _, way := range []string{"container", "process", "file"} {
		for _, renewed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, renewed %v", way, renewed), func(t *testing.T) {
				t.Parallel()
				i, a, args := users(t)
				env, renew := i.ways()[way]()
				a.env = append(a.env, env...)
				if renewed {
					i.refuse(renew)
				} else {
					i.refuse(nil)
				}
				e := a.launch(args...).end()
				if i.refused.Load() == 0 {
					t.Fatalf("nothing expired: %s", e)
				}
				if renewed && way != "file" {
					if e.code != 0 || i.signed.Load() == 0 {
						t.Fatalf("want exit 0 with the renewed credentials: %s", e)
					}
					a.expectWhole(i.l, e)
					return
				}
				if got := e.result.Error; e.code != 50 || got.Code != "store_expired" || !got.Retryable || !strings.Contains(got.Hint, "renew") {
					t.Fatalf("want store_expired with a hint: %s", e)
				}
				a.expectBeginning(i.l)
				renew()
				a.expectWhole(i.l, a.run(0, args...))
			})
		}
	}
}
