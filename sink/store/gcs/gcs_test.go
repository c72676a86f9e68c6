package gcs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func (stored) time() time.Time { return time.Time{} }

func TestStore_KeepsThePromises(t *testing.T) {
	for _, early := range []bool{false, true} {
		t.Run(fmt.Sprintf("early %v", early), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Subject {
				s := newServer(t)
				s.early = early
				return storetest.Subject{
					Open: func(t *testing.T) store.Store {
						return object.New(t.Context(), s.bucket(t), "some/prefix", object.Config{})
					},
					LoseAnswer: func() {
						var once sync.Once
						s.after = func(r *http.Request) (lose bool) {
							if r.URL.Query().Get("uploadType") == "multipart" {
								once.Do(func() { lose = true })
							}
							return lose
						}
					},
					PageSize: 1000,
				}
			})
		})
	}
}

func noise(n int) []byte {
	text := make([]byte, n)
	rng := rand.New(rand.NewPCG(3, 3))
	for i := range text {
		text[i] = byte(rng.Uint32())
	}
	return text
}

// An upload arrives whole, however much a request brings and whichever answer is lost.
func TestSession_AnswersThatAreLost(t *testing.T) {
	all := noise(object.PartSize + grain + 7)
	for _, extra := range []int{0, 1, grain, grain + 7} {
		for _, most := range []int{0, 20 * grain} {
			t.Run(fmt.Sprintf("%d more, %d at most", extra, most), func(t *testing.T) {
				want := all[:object.PartSize+extra]
				for lost, sent := 1, 1; lost <= sent; lost++ {
					s := newServer(t)
					s.most = most
					sent = 0
					s.after = func(r *http.Request) bool {
						if r.Method == http.MethodPut {
							sent++
						}
						return sent == lost && r.Method == http.MethodPut
					}
					m, err := s.bucket(t).Begin(t.Context(), "name")
					if err != nil {
						t.Fatal(err)
					}
					again := 0
					try := func(request func() error) {
						for err := request(); err != nil; err = request() {
							if again++; again > 1 {
								t.Fatal(err)
							}
						}
					}
					for n, part := 1, want; len(part) > 0; n++ {
						body := bytes.Clone(part[:min(len(part), object.PartSize)])
						m.Sum(body)
						try(func() error { return m.Part(t.Context(), n, body) })
						clear(body) // it is the caller's again
						part = part[min(len(part), object.PartSize):]
					}
					try(func() error { return m.Complete(t.Context()) })
					if got := s.objects["name"].body; !bytes.Equal(got, want) {
						t.Errorf("answer %d: %d bytes arrived of %d", lost, len(got), len(want))
					}
				}
			})
		}
	}
}

func TestProbe_Requests(t *testing.T) {
	s := newServer(t)
	o := object.New(t.Context(), s.bucket(t), "", object.Config{})
	defer o.Close()
	h, err := o.Hold(t.Context(), "run")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Probe(t.Context(), "dir", nil); err != nil {
		t.Fatal(err)
	}
	if len(s.requests) > 7 {
		t.Errorf("%d requests: %q", len(s.requests), s.requests)
	}
}

// Every request, and what the store may answer to it, is of a class, says what to do, and shows no secret.
func TestErrors(t *testing.T) {
	ask := map[string]func(b *bucket) error{
		"put":    func(b *bucket) error { return b.Put(t.Context(), "key", []byte("text")) },
		"get":    func(b *bucket) error { return b.Get(t.Context(), "key", make([]byte, 10), 0) },
		"delete": func(b *bucket) error { return b.Delete(t.Context(), "key", "7") },
		"list": func(b *bucket) error {
			_, _, err := b.List(t.Context(), "key", "")
			return err
		},
		"begin": func(b *bucket) error {
			_, err := b.Begin(t.Context(), "key")
			return err
		},
		"part":     func(b *bucket) error { return session1(b).Part(t.Context(), 1, make([]byte, grain)) },
		"complete": func(b *bucket) error { return session1(b).Complete(t.Context()) },
	}
	all := "put get delete list begin part complete"
	old := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		ops    string
		status int
		reason string
		date   string
		class  store.Class // "" if an error of object.Bucket
		is     error
		advice string
	}{
		{ops: "put begin list", status: 404, reason: "notFound", class: store.Missing, advice: "create the bucket"},
		{ops: "get", status: 404, reason: "notFound", is: fs.ErrNotExist},
		{ops: "part complete", status: 404, reason: "notFound", is: object.ErrNoUpload},
		{ops: "part complete", status: 410, is: object.ErrNoUpload},
		{ops: "put begin part complete", status: 403, reason: "forbidden", class: store.Denied, advice: "storage.objects.create"},
		{ops: "get", status: 403, reason: "forbidden", class: store.Denied, advice: "storage.objects.get"},
		{ops: "list", status: 403, reason: "forbidden", class: store.Denied, advice: "storage.objects.list"},
		{ops: "delete", status: 403, reason: "retentionPolicyNotMet", class: store.Denied, advice: "storage.objects.delete"},
		{ops: all, status: 401, reason: "authError", class: store.Expired, advice: "gcloud auth"},
		{ops: all, status: 401, reason: "authError", date: old, class: store.Skew, advice: "clock"},
		{ops: all, status: 403, reason: "userRateLimitExceeded", class: store.Unavailable},
		{ops: all, status: 403, reason: "quotaExceeded", class: store.Quota, advice: "quota"},
		{ops: all, status: 429, reason: "rateLimitExceeded", class: store.Unavailable},
		{ops: all, status: 408, class: store.Unavailable},
		{ops: all, status: 500, reason: "backendError", class: store.Unavailable},
		{ops: all, status: 503, reason: "backendError", class: store.Unavailable},
		{ops: all, status: 400, reason: "invalid", class: store.Failed},
		{ops: all, status: 302, class: store.Failed},
		{ops: "put complete part", status: 412, reason: "conditionNotMet", is: fs.ErrExist},
		{ops: "delete", status: 412, reason: "conditionNotMet", is: object.ErrChanged},
		{ops: "put begin complete part", status: 409, reason: "conflict", is: object.ErrConflict},
		{ops: "list", status: 200, class: store.Failed},
		{ops: "begin", status: 200, class: store.Failed},
		{ops: "part", status: 200, class: store.Failed},
		{ops: "part", status: 308, class: store.Unavailable},
		{ops: "get", status: 206, class: store.Failed},
		{ops: all, status: 0, class: store.Unavailable},
	} {
		for op := range strings.FieldsSeq(c.ops) {
			t.Run(fmt.Sprint(op, c.status, c.reason), func(t *testing.T) {
				s := newServer(t)
				s.before = func(w http.ResponseWriter, r *http.Request) bool {
					if c.status == 0 {
						panic(http.ErrAbortHandler)
					}
					if c.date != "" {
						w.Header().Set("Date", c.date)
					}
					w.Header().Set("Location", "https://elsewhere.example/?"+r.URL.RawQuery)
					if c.status < 300 {
						w.Header().Del("Location")
						w.WriteHeader(c.status)
						fmt.Fprint(w, "what is this")
						return true
					}
					if id := r.URL.Query().Get("upload_id"); id != "" {
						w.Header().Set("X-Guploader-Uploadid", id)
					} else {
						w.Header().Set("X-Guploader-Uploadid", "request-id")
					}
					w.WriteHeader(c.status)
					fmt.Fprintf(w, `{"error":{"message":"you sent %s to %s","errors":[{"reason":%q}]}}`, r.Header.Get("Authorization"), r.URL, c.reason)
					return true
				}
				err := ask[op](s.bucket(t))
				if c.is != nil {
					if !errors.Is(err, c.is) {
						t.Errorf("%v; want %v", err, c.is)
					}
					return
				}
				var remote *store.RemoteError
				if !errors.As(err, &remote) || remote.Class != c.class || remote.Status != c.status {
					t.Fatalf("%v is %+v; want %s", err, remote, c.class)
				}
				if !strings.Contains(remote.Advice, c.advice) {
					t.Errorf("advice %q, want %q", remote.Advice, c.advice)
				}
				if strings.Contains(err.Error(), bearer) || strings.Contains(err.Error(), "secret-upload") {
					t.Errorf("a secret in %v", err)
				}
				if c.reason != "" && remote.Reason != c.reason || c.status >= 300 && op != "part" && op != "complete" && remote.RequestID != "request-id" {
					t.Errorf("reason %q, request %q", remote.Reason, remote.RequestID)
				}
			})
		}
	}
}

// session1 is one that has begun.
func session1(b *bucket) *session {
	return &session{bucket: b, key: "key", url: b.endpoint + "/upload?upload_id=secret-upload", sum: crc32.New(castagnoli)}
}

// tokens that are not to be had.
func TestErrors_Tokens(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		class  store.Class
	}{
		{"expired", func(w http.ResponseWriter) { deny(w, http.StatusBadRequest, "invalid_grant") }, store.Expired},
		{"denied", func(w http.ResponseWriter) { deny(w, http.StatusUnauthorized, "invalid_client") }, store.Denied},
		{"unavailable", func(w http.ResponseWriter) { deny(w, http.StatusServiceUnavailable, "temporarily_unavailable") }, store.Unavailable},
		{"skewed", func(w http.ResponseWriter) {
			w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			deny(w, http.StatusBadRequest, "invalid_grant")
		}, store.Skew},
		{"nobody", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, store.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			s.before = func(w http.ResponseWriter, _ *http.Request) bool { c.answer(w); return true }
			file := filepath.Join(t.TempDir(), "adc.json")
			text := fmt.Sprintf(`{"type":"authorized_user","client_id":"id","client_secret":"the-client-secret","refresh_token":"the-refresh-token","token_uri":%q}`, s.URL+"/token")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
			var told []string
			b := newBucket("bucket", object.NewSecrets(func(text string) { told = append(told, text) }))
			defer func() { _ = b.Close() }()
			var err error
			if b.tokens, err = credentials(t.Context(), b.client, b.secrets); err != nil {
				t.Fatal(err)
			}
			b.tokens = toServer(b.client, s.URL)
			b.endpoint = s.URL
			err = b.Put(t.Context(), "key", nil)
			var remote *store.RemoteError
			if !errors.As(err, &remote) || remote.Class != c.class {
				t.Errorf("%v is %+v; want %s", err, remote, c.class)
			}
			for _, secret := range []string{"the-client-secret", "the-refresh-token"} {
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("a secret in %v", err)
				}
				if !strings.Contains(strings.Join(told, " "), secret) {
					t.Errorf("nobody was told %s", secret)
				}
			}
		})
	}
}

func deny(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":%q,"error_description":"you sent the-refresh-token and the-client-secret"}`, code)
}

// toServer asks a server of ours for tokens, since authorized users have Google's address fixed.
func toServer(client *http.Client, address string) oauth2.TokenSource {
	cfg := oauth2.Config{ClientID: "id", ClientSecret: "the-client-secret", Endpoint: oauth2.Endpoint{TokenURL: address, AuthStyle: oauth2.AuthStyleInParams}}
	return cfg.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, client), &oauth2.Token{RefreshToken: "the-refresh-token"})
}

func TestOpen(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		address  string
		emulator string
		key      string
		want     string // of the error; "": none
	}{
		{address: "gs://bucket/prefix", emulator: "127.0.0.1:1"},
		{address: "gs://bucket/prefix", emulator: "http://127.0.0.1:1/"},
		{address: "gs://bucket?anonymous=true"},
		{address: "gs://bucket?anonymous=perhaps", want: "parameter anonymous: expected true or false"},
		{address: "gs://bucket?token=ya29.secret", want: `unknown parameter "token"; known are anonymous`},
		{address: "gs://user:ya29.secret@bucket", want: "a user or a password"},
		{address: "gs:///prefix", want: "use gs://bucket/prefix"},
		{address: "gs://bucket/a/../b", want: "not a plain path"},
		{address: "gs://bucket", key: none, want: "does not name a readable file"},
		{address: "gs://bucket", key: `{"private_key":"ya29.secret"}`, want: "does not name a readable file"},
	} {
		t.Run(c.address+c.key, func(t *testing.T) {
			t.Setenv("STORAGE_EMULATOR_HOST", c.emulator)
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", c.key)
			u, err := url.Parse(c.address)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), u, object.Config{})
			if err == nil {
				if got := s.Path("dir/name"); got != "gs://bucket"+u.Path+"/dir/name" {
					t.Error(got)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if text := fmt.Sprint(err); (err == nil) != (c.want == "") || !strings.Contains(text, c.want) && err != nil || strings.Contains(text, "ya29") {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}
