package e2e

import (
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"tw2parquet/bench/lakes/servers"
)

// echo answers with all that it was sent, as some gateways do.
func echo(status int, code string) servers.Fault {
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		text := r.URL.String() + " "
		for name, values := range r.Header {
			text += name + ": " + strings.Join(values, " ") + " "
		}
		answer(status, code+"</Code><Message>"+strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(text)+"</Message><Code>"+code)(w, r, forward)
	}
}

// expectSecret holds that no secret is in what a process printed, in the files it left, or in the bucket.
func expectSecret(t *testing.T, p *started, l *lake, secrets ...string) {
	t.Helper()
	e := p.end()
	texts := map[string]string{"output": e.stdout, "log": e.stderr}
	if err := filepath.WalkDir(p.Dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		texts[name] = string(content)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for key, content := range l.objects() {
		texts[key] = string(content)
	}
	for where, text := range texts {
		for _, secret := range append(secrets, p.a.Token()) {
			if strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret)) {
				t.Errorf("%s holds the secret %s:\n%s", where, secret, text)
			}
		}
	}
	if e.code != 50 || e.result.Error.Hint == "" {
		t.Errorf("want exit 50 with a hint: %s", e)
	}
}

// No credential is shown, whatever a store complains of, and even if it says all that it was sent.
func TestSecrets_S3(t *testing.T) {
	const key, secret, session = "AKIDACCESSKEYOFATEST", "secret/key+of=a/test", "session-token-of-a-test"
	echoed := func(status int, code string) func(*lake, *account) {
		return func(l *lake, _ *account) { l.proxy.Hook(echo(status, code)) }
	}
	for name, prepare := range map[string]func(*lake, *account){
		"wrong key": func(*lake, *account) {},
		"missing bucket": func(l *lake, _ *account) {
			l.out = strings.Replace(l.out, l.bucket, "missing-bucket", 1)
			l.proxy.Hook(echo(404, "NoSuchBucket"))
		},
		"wrong secret": func(_ *lake, a *account) { a.env = append(a.env, "AWS_ACCESS_KEY_ID="+servers.AccessKey) },
		"denied":       echoed(403, "AccessDenied"),
		"expired":      echoed(403, "ExpiredToken"),
		"skew":         echoed(403, "RequestTimeTooSkewed"),
		"region":       echoed(301, "PermanentRedirect"),
		"quota":        echoed(507, "QuotaExceeded"),
		"unavailable":  echoed(503, "SlowDown"),
		"bad request":  echoed(400, "Whatever"),
		"inside":       echoed(200, "InternalError"),
		"conditions":   echoed(501, "NotImplemented"),
		"reset":        func(l *lake, _ *account) { l.proxy.Hook(reset) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, a, _ := trial(t, false)
			a.env = append(a.env, "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_SESSION_TOKEN="+session)
			prepare(l, a)
			expectSecret(t, a.launch(a.export(l.out, "--log-level", "debug", "--result-file", "result.json")...), l, key, secret, session, "X-Amz-Signature=")
			if n := a.Ledger().ExportPosts(); n > 0 {
				t.Errorf("it bought %d times", n)
			}
		})
	}
}

func TestSecrets_Azure(t *testing.T) {
	server := must[*servers.Azure](t)(azurite())
	const other = "c29tZWJvZHkgZWxzZSdzIGtleQ=="
	sign := func(l *lake, may sas.ContainerPermissions, expires time.Time) (env string, secret string) {
		u := must[*url.URL](t)(url.Parse(l.out))
		signature := must[string](t)(server.Signature(u.Host, may, expires))
		return "AZURE_STORAGE_SAS_TOKEN=" + signature, must[url.Values](t)(url.ParseQuery(signature)).Get("sig")
	}
	for name, prepare := range map[string]func(l *lake) (env, secret string){
		"wrong key": func(*lake) (string, string) { return "AZURE_STORAGE_KEY=" + other, other },
		"missing container": func(l *lake) (string, string) {
			u := must[*url.URL](t)(url.Parse(l.out))
			l.out = strings.Replace(l.out, u.Host, "missing-container", 1)
			return l.env[0], server.Key
		},
		"denied": func(l *lake) (string, string) {
			return sign(l, sas.ContainerPermissions{Read: true, List: true}, time.Now().Add(time.Hour))
		},
		"expired": func(l *lake) (string, string) {
			return sign(l, sas.ContainerPermissions{Read: true, List: true, Write: true, Create: true}, time.Now().Add(-time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, a := onAzure(t), serve(t, few())
			env, secret := prepare(l)
			a.env = []string{env}
			expectSecret(t, a.launch(a.export(l.out, "--log-level", "debug", "--result-file", "result.json")...), l, secret)
		})
	}
}
