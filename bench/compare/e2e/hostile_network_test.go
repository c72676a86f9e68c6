package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// TestNetwork_Fails lets connections fail in every way, as the token is sent over each.
func TestNetwork_Fails(t *testing.T) {
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	cases := map[string]struct {
		prepare func(*testing.T, *spy)
		says    string
	}{
		"refused": {func(t *testing.T, s *spy) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_ = ln.Close()
			s.url = "http://" + ln.Addr().String()
		}, "refused"},
		"unknown authority": {func(t *testing.T, s *spy) {
			s.url = newAuthority(t).secure(s.Handler(), "127.0.0.1", in(time.Hour)).URL
		}, "certificate"},
		"expired": {func(t *testing.T, s *spy) {
			ca := newAuthority(t)
			s.url, s.env = ca.secure(s.Handler(), "127.0.0.1", in(-time.Hour)).URL, append(s.env, "SSL_CERT_FILE="+ca.file)
		}, "expired"},
		"wrong host": {func(t *testing.T, s *spy) {
			ca := newAuthority(t)
			s.url, s.env = ca.secure(s.Handler(), "api.example.org", in(time.Hour)).URL, append(s.env, "SSL_CERT_FILE="+ca.file)
		}, "certificate"},
		"TLS asked of a plain server": {func(_ *testing.T, s *spy) { s.url = "https" + strings.TrimPrefix(s.url, "http") }, "TLS"},
		"plain asked of a TLS server": {func(t *testing.T, s *spy) {
			s.url = "http" + strings.TrimPrefix(newAuthority(t).secure(s.Handler(), "127.0.0.1", in(time.Hour)).URL, "https")
		}, "HTTP 400"},
		"hung up": {func(_ *testing.T, s *spy) {
			s.front(func(w http.ResponseWriter, _ *http.Request) bool { says(w, ""); return true })
		}, "broke off"},
		"hung up within the head": {func(_ *testing.T, s *spy) {
			s.front(func(w http.ResponseWriter, _ *http.Request) bool {
				says(w, "HTTP/1.1 200 OK\r\nX-Echo: "+secret)
				return true
			})
		}, "broke off"},
		"hung up within the body": {func(_ *testing.T, s *spy) {
			s.front(func(w http.ResponseWriter, _ *http.Request) bool {
				says(w, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"request\":"+inJSON(echo()))
				return true
			})
		}, "broke off"},
		"broken chunks": {func(_ *testing.T, s *spy) {
			s.front(func(w http.ResponseWriter, _ *http.Request) bool {
				says(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+secret+"\r\n{}\r\n")
				return true
			})
		}, "chunk"},
		"a head without end": {func(_ *testing.T, s *spy) {
			s.front(func(w http.ResponseWriter, _ *http.Request) bool {
				says(w, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X-Echo: "+secret+"\r\n", 20_000))
				return true
			})
		}, "exceeded"},
	}
	for _, name := range some(cases, 3) {
		tt := cases[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpy(t, emulator.Config{})
			tt.prepare(t, s)
			code, out, errs := s.spied(s.spiedExport()...)
			if code != 20 || !strings.Contains(out, tt.says) {
				t.Errorf("exit %d, and does it say %q?\n%s\n%s", code, tt.says, out, errs)
			}
			if n := len(s.Ledger().Tasks); n != 0 {
				t.Errorf("%d tasks", n)
			}
			for _, args := range [][]string{{"credits"}, {"tasks", "list"}} {
				if code, _, errs := s.spied(args...); code != 20 || strings.Count(errs, "\n") != 1 {
					t.Errorf("%v: exit %d\n%s", args, code, errs)
				}
			}
		})
	}
}

// TestNetwork_TrustedTLS exports over TLS. The server offers HTTP/2, whose debugging output would hold
// the token.
func TestNetwork_TrustedTLS(t *testing.T) {
	ca := newAuthority(t)
	s := newSpy(t, emulator.Config{})
	s.url = ca.secure(s.Handler(), "127.0.0.1", time.Now().Add(time.Hour)).URL
	s.env = append(s.env, "SSL_CERT_FILE="+ca.file)
	code, out, errs := s.spied(s.spiedExport()...)
	if code != 0 || len(s.Ledger().Tasks) != 1 {
		t.Errorf("exit %d\n%s\n%s", code, out, errs)
	}
}

// signalled starts the binary, waits until condition holds for what it printed so far, and sends it a
// signal. Everything that left the process is searched.
func (s *spy) signalled(sig syscall.Signal, condition func(stderr string) bool, args ...string) (code int, stderr string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := s.prepare(ctx, args...)
	var out bytes.Buffer
	errs := &growing{changed: make(chan struct{}, 1)}
	cmd.Stdout, cmd.Stderr = &out, errs
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for !condition(errs.String()) {
		select {
		case <-errs.changed:
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			_ = cmd.Wait()
			s.t.Fatalf("waited in vain\n%s", errs)
		}
	}
	s.inspect(cmd)
	if err := cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	_ = cmd.Wait()
	s.search(out.Bytes(), []byte(errs.String()))
	return cmd.ProcessState.ExitCode(), errs.String()
}

// inspect looks at what others may see of a running process, on Linux.
func (s *spy) inspect(cmd *exec.Cmd) {
	s.t.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	proc := filepath.Join("/proc", fmt.Sprint(cmd.Process.Pid))
	for _, name := range []string{"cmdline", "comm", "status", "limits", "maps"} {
		content, err := os.ReadFile(filepath.Join(proc, name))
		if err != nil && name != "maps" { // which is closed, as it should be, unless we are root
			s.t.Error(err)
		}
		if found := s.d.find(content); found != "" {
			s.t.Errorf("/proc/…/%s holds it in %s", name, found)
		}
		if name == "limits" && len(strings.Fields(line(content, "Max core file size"))) > 4 && strings.Fields(line(content, "Max core file size"))[4] != "0" {
			s.t.Errorf("core files are written: %s", line(content, "Max core file size"))
		}
	}
}

// line is the line that begins so.
func line(content []byte, prefix string) string {
	for l := range strings.Lines(string(content)) {
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
	return ""
}

// growing is output that somebody waits for.
type growing struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (g *growing) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case g.changed <- struct{}{}:
	default:
	}
	return g.text.Write(p)
}

func (g *growing) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

// TestToken_InARunningProcess stops exports in the middle, politely and not, with a call under way whose
// address holds the token.
func TestToken_InARunningProcess(t *testing.T) {
	for name, tt := range map[string]struct {
		signal   syscall.Signal
		endpoint string
		code     int
	}{
		"SIGTERM while buying":  {syscall.SIGTERM, "export", 143},
		"SIGINT while looking":  {syscall.SIGINT, "tasks", 130},
		"SIGTERM while reading": {syscall.SIGTERM, "results", 143},
		"SIGQUIT while buying":  {syscall.SIGQUIT, "export", 2},
		"SIGQUIT while reading": {syscall.SIGQUIT, "results", 2},
		"SIGABRT while reading": {syscall.SIGABRT, "results", 2},
		"SIGSEGV while looking": {syscall.SIGSEGV, "tasks", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpy(t, emulator.Config{})
			hold := map[string]any{"hold": "before"}
			if tt.endpoint == "results" {
				hold = map[string]any{"stall": map[string]any{"at": 30_000}}
			}
			s.env = append(s.env, "GOTRACEBACK=crash", "TW2PARQUET_WAIT_SCALE=1")
			s.script(rule(tt.endpoint, hold))
			code, errs := s.signalled(tt.signal, func(string) bool { return len(s.Ledger().Calls(tt.endpoint)) > 0 }, s.spiedExport()...)
			dumped := strings.Contains(errs, "goroutine ")
			if crash := tt.code == 2; dumped != crash || !crash && code != tt.code {
				t.Errorf("exit %d, a dump: %v\n%s", code, dumped, errs)
			}
			if len(s.Ledger().Tasks) > 1 {
				t.Error("bought twice")
			}
		})
	}
}

// TestNetwork_FailsElsewhere has no loopback address, so that waits are real: it is told to stop as soon
// as it tries again. A proxy's password is as secret as the token.
func TestNetwork_FailsElsewhere(t *testing.T) {
	const password = "pa55-of-the-proxy-Zq"
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		says(w, "HTTP/1.1 502 "+echo()+"\r\nX-Echo: "+r.Header.Get("Proxy-Authorization")+"\r\n\r\n"+echo())
	}))
	defer proxy.Close()
	for name, env := range map[string][]string{
		"name not in DNS":  {"TALKWALKER_BASE_URL=https://nonexistent.invalid"},
		"proxy fails":      {"TALKWALKER_BASE_URL=https://api.example.invalid", "HTTPS_PROXY=http://user:" + password + "@" + proxy.Listener.Addr().String()},
		"no proxy there":   {"TALKWALKER_BASE_URL=https://api.example.invalid", "HTTPS_PROXY=http://user:" + password + "@127.0.0.1:1"},
		"no proxy address": {"TALKWALKER_BASE_URL=https://api.example.invalid", "HTTPS_PROXY=http://user:" + password + "@127.0.0.1:x%zz"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpy(t, emulator.Config{})
			s.env = append(s.env, env...)
			code, errs := s.signalled(syscall.SIGTERM, func(stderr string) bool { return strings.Contains(stderr, "trying again") }, s.spiedExport()...)
			if code != 143 || strings.Contains(errs, password) {
				t.Errorf("exit %d\n%s", code, errs)
			}
		})
	}
}

// TestNetwork_NameUnknown waits as long as the binary does: an address that is not of this machine has no
// shortened waits.
func TestNetwork_NameUnknown(t *testing.T) {
	t.Parallel()
	long(t, "TestLeaks_Network of package source")
	a := serve(t, tiny())
	a.url = "https://nonexistent.invalid"
	e := a.export(20, a.output(), "--split", "none")
	a.expectOneLine(e)
	if r := e.result.Error; !r.Retryable || !strings.Contains(r.Message, "lookup nonexistent.invalid") {
		t.Errorf("%s", e)
	}
}

// TestNetwork_ThroughAProxy exports through a proxy that only tunnels: it sees host names, no token.
func TestNetwork_ThroughAProxy(t *testing.T) {
	ca := newAuthority(t)
	s := newSpy(t, emulator.Config{})
	target := ca.secure(s.Handler(), "api.example.invalid", time.Now().Add(time.Hour)).Listener.Addr().String()
	var mu sync.Mutex
	var seen bytes.Buffer
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		fmt.Fprintln(&seen, r.Method, r.URL, r.Header)
		mu.Unlock()
		there, err := net.Dial("tcp", target)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = there.Close() }()
		hijacked(w, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
			go func() { _, _ = io.Copy(there, conn) }()
			_, _ = io.Copy(conn, there)
		})
	}))
	defer proxy.Close()
	s.env = append(s.env, "TALKWALKER_BASE_URL=https://api.example.invalid", "HTTPS_PROXY="+proxy.URL, "SSL_CERT_FILE="+ca.file)
	code, out, errs := s.spied(s.spiedExport()...)
	if code != 0 || len(s.Ledger().Tasks) != 1 {
		t.Errorf("exit %d\n%s\n%s", code, out, errs)
	}
	mu.Lock()
	defer mu.Unlock()
	if found := s.d.find(seen.Bytes()); found != "" || !strings.Contains(seen.String(), "CONNECT") {
		t.Errorf("the proxy saw %s %s", found, &seen)
	}
}

// TestPanic_TellsWhereNotWhat builds the binary with panics, whose values hold the token, at places that
// every export passes.
func TestPanic_TellsWhereNotWhat(t *testing.T) {
	long(t, "TestGuard_TellsWhereNotWhat of package pipeline")
	edits := map[string]func(string) string{}
	for file, place := range map[string]string{
		"source/collectors.go": "func (c *Client) collector(",
		"source/reading.go":    "func (c *Client) openRead(",
	} {
		edits[file] = func(text string) string {
			before, after, ok := strings.Cut(text, place)
			if !ok {
				t.Fatalf("%s has no %s any more", file, place)
			}
			head, body, _ := strings.Cut(after, "{\n")
			return importing(before+place+head+"{\nif os.Getenv(\"PANIC_AT\") == \""+file+"\" { panic(\"https://host/?access_token=\" + c.token.secret()) }\n"+body, "os")
		}
	}
	broken := rebuilt(t, edits)
	for file, tasks := range map[string]int{"source/collectors.go": 0, "source/reading.go": 1} {
		s := newSpy(t, emulator.Config{})
		s.env = append(s.env, "PANIC_AT="+file)
		cmd := s.prepare(t.Context(), s.spiedExport()...)
		cmd.Path = broken
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run()
		s.search(stdout.Bytes(), stderr.Bytes())
		var r result
		if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
			t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
		}
		if code := cmd.ProcessState.ExitCode(); code != 70 || r.Error == nil || r.Error.Code != "bug" || !strings.Contains(r.Error.Message, strings.TrimPrefix(file, "source/")) {
			t.Errorf("exit %d\n%s\n%s", code, &stdout, &stderr)
		}
		if strings.Contains(stderr.String(), "goroutine ") || len(s.Ledger().Tasks) != tasks {
			t.Errorf("%d tasks\n%s", len(s.Ledger().Tasks), &stderr)
		}
		// The binary without the bug goes on.
		if code, out, errs := s.spied(s.spiedExport()...); code != 0 || len(s.Ledger().Tasks) != 1 {
			t.Errorf("exit %d, %d tasks\n%s\n%s", code, len(s.Ledger().Tasks), out, errs)
		}
	}
}
