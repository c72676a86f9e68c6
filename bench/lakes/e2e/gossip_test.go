package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// gossip is a store over TLS that refuses every request, and says all that it was sent.
type gossip struct {
	t       *testing.T
	server  *httptest.Server
	trusted string // file of its certificate
	signed  atomic.Int64
}

// refusal is how a store says no.
type refusal struct {
	status int
	code   string
	clock  time.Duration // by which the store's is ahead
	class  string        // error.code
}

// startGossip starts one. say makes the body of a refusal, of whatever is to be told.
func startGossip(t *testing.T, r refusal, say func(w http.ResponseWriter, r refusal, text string)) *gossip {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"storage.googleapis.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	g := &gossip{t: t, trusted: filepath.Join(t.TempDir(), "authority.pem")}
	if err := os.WriteFile(g.trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	g.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if req.Header.Get("Authorization") != "" || req.URL.Query().Has("sig") {
			g.signed.Add(1)
		}
		w.Header().Set("Date", time.Now().Add(r.clock).UTC().Format(http.TimeFormat))
		say(w, r, told(req))
	}))
	g.server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	g.server.StartTLS()
	t.Cleanup(g.server.Close)
	return g
}

// told is everything that a request said.
func told(r *http.Request) string {
	text := r.URL.String()
	for name, values := range r.Header {
		text += " " + name + ": " + strings.Join(values, " ")
	}
	return text
}

// way is a proxy that leads everybody to the store, whoever is asked for.
func (g *gossip) way() string {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusBadRequest)
			return
		}
		var dial net.Dialer
		to, err := dial.DialContext(r.Context(), "tcp", g.server.Listener.Addr().String())
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		from, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		fmt.Fprint(from, "HTTP/1.1 200 OK\r\n\r\n")
		stop := context.AfterFunc(g.t.Context(), func() { _ = to.Close() })
		go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		_, _ = io.Copy(from, to)
		_ = from.Close()
		stop()
	}))
	g.t.Cleanup(proxy.Close)
	return proxy.URL
}

// issues is an endpoint that gives a bearer token.
func issues(t *testing.T, token string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600,"expires_on":"%d","resource":"https://storage.azure.com"}`, token, time.Now().Add(time.Hour).Unix())
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// expectDiscreet runs an export against the store, which fails as it has to and tells no secret.
func (g *gossip) expectDiscreet(out string, r refusal, env []string, secrets ...string) {
	g.t.Helper()
	a := serve(g.t, few())
	a.env = append(env, "SSL_CERT_FILE="+g.trusted)
	l := &lake{t: g.t, out: out, objects: func() map[string][]byte { return nil }}
	p := a.launch(a.export(out, "--log-level", "debug", "--result-file", "result.json")...)
	expectSecret(g.t, p, l, secrets...)
	if e := p.end(); e.result.Error == nil || e.result.Error.Code != r.class {
		g.t.Errorf("want %s: %s", r.class, e)
	}
	if g.signed.Load() == 0 {
		g.t.Error("the store was told no secret")
	}
	if n := a.Ledger().ExportPosts(); n > 0 {
		g.t.Errorf("it bought %d times", n)
	}
}

// A bearer token, a private key: nobody is shown them, whatever the store says.
func TestSecrets_GCS(t *testing.T) {
	const token = "ya29.bearer-token-of-a-test"
	private := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	der := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(private))
	refusals := map[string]refusal{
		"denied":      {403, "forbidden", 0, "store_denied"},
		"expired":     {401, "authError", 0, "store_expired"},
		"skew":        {401, "authError", 24 * time.Hour, "store_skew"},
		"missing":     {404, "notFound", 0, "store_missing"},
		"quota":       {403, "quotaExceeded", 0, "store_quota"},
		"bad request": {400, "invalid", 0, "store_failed"},
		"redirect":    {302, "moved", 0, "store_failed"},
	}
	if !testing.Short() { // its waits are those of the real store: a minute
		refusals["unavailable"] = refusal{503, "backendError", 0, "store_unavailable"}
	}
	for name, r := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startGossip(t, r, func(w http.ResponseWriter, r refusal, text string) {
				w.Header().Set("X-Guploader-Uploadid", text)
				w.WriteHeader(r.status)
				message := map[string]any{"message": text, "reason": r.code}
				_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": r.status, "message": text, "errors": []any{message}}})
			})
			file := filepath.Join(t.TempDir(), "account.json")
			account := must[[]byte](t)(json.Marshal(map[string]string{
				"type": "service_account", "client_email": "test@example.com", "private_key_id": "id", "token_uri": issues(t, token),
				"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
			}))
			if err := os.WriteFile(file, account, 0o600); err != nil {
				t.Fatal(err)
			}
			g.expectDiscreet("gs://bucket/"+prefix, r, []string{"GOOGLE_APPLICATION_CREDENTIALS=" + file, "HTTPS_PROXY=" + g.way()},
				token, base64.StdEncoding.EncodeToString(der)[100:160])
		})
	}
}

// The same for the key of an account, a shared access signature and a bearer token.
func TestSecrets_AzureClasses(t *testing.T) {
	const token, header = "bearer-token-of-an-identity", "header-of-an-identity"
	key := base64.StdEncoding.EncodeToString([]byte("the key of an account of a test, which is secret"))
	const signature = "c2lnbmF0dXJlIG9mIGEgdGVzdCwgc2VjcmV0IQ=="
	signed := url.Values{"sv": {"2024-01-01"}, "sp": {"rwdl"}, "sr": {"c"}, "se": {time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}, "sig": {signature}}.Encode()
	credentials := map[string]func(t *testing.T) (env, secrets []string){
		"key": func(*testing.T) ([]string, []string) { return []string{"AZURE_STORAGE_KEY=" + key}, []string{key} },
		"signature": func(*testing.T) ([]string, []string) {
			return []string{"AZURE_STORAGE_SAS_TOKEN=" + signed}, []string{signature, "sig="}
		},
		"identity": func(t *testing.T) ([]string, []string) {
			return []string{"IDENTITY_ENDPOINT=" + issues(t, token), "IDENTITY_HEADER=" + header}, []string{token, header}
		},
	}
	for name, r := range map[string]refusal{
		"denied":      {403, "AuthorizationPermissionMismatch", 0, "store_denied"},
		"not known":   {403, "AuthenticationFailed", 0, "store_denied"},
		"expired":     {401, "InvalidAuthenticationInfo", 0, "store_expired"},
		"skew":        {403, "AuthenticationFailed", 24 * time.Hour, "store_skew"},
		"missing":     {404, "ContainerNotFound", 0, "store_missing"},
		"quota":       {409, "AccountLimitExceeded", 0, "store_quota"},
		"unavailable": {503, "ServerBusy", 0, "store_unavailable"},
		"bad request": {400, "InvalidHeaderValue", 0, "store_failed"},
		"redirect":    {302, "Moved", 0, "store_failed"},
	} {
		for kind, of := range credentials {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				g := startGossip(t, r, func(w http.ResponseWriter, r refusal, text string) {
					w.Header().Set("X-Ms-Error-Code", r.code)
					w.Header().Set("X-Ms-Request-Id", text)
					w.Header().Set("Content-Type", "application/xml")
					w.WriteHeader(r.status)
					fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", r.code, strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(text))
				})
				out := "azblob://container/" + prefix + "?storage_account=account&cdn=true&domain=" + g.server.Listener.Addr().String()
				env, secrets := of(t)
				g.expectDiscreet(out, r, env, secrets...)
			})
		}
	}
}
