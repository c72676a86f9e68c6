package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

// Scheme begins the addresses of this store.
const Scheme = "gs"

// scope is the least that can create and delete objects.
const scope = "https://www.googleapis.com/auth/devstorage.read_write"

// tokenTime bounds a request for a token, which nobody else does.
const tokenTime = 30 * time.Second

const adviceNone = "set GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login"

// Open makes an output of an address, "gs://bucket/prefix". It sends no request to the bucket. Credentials are
// the application default credentials of Google's libraries. None are sent to STORAGE_EMULATOR_HOST, or with
// the parameter anonymous=true, whose name is that of gocloud.dev. ctx is the process's, as object.New takes it.
func Open(ctx context.Context, u *url.URL, cfg object.Config) (store.Store, error) {
	var anonymous bool
	prefix, err := object.Address(u, Scheme, adviceNone, map[string]func(string) error{"anonymous": object.Flag(&anonymous)})
	if err != nil {
		return nil, err
	}
	b := newBucket(u.Host, object.NewSecrets(cfg.Secret))
	if host := os.Getenv("STORAGE_EMULATOR_HOST"); host != "" {
		if !strings.Contains(host, "://") {
			host = "http://" + host
		}
		b.endpoint, anonymous = strings.TrimSuffix(host, "/"), true
	}
	if !anonymous {
		if b.tokens, err = credentials(ctx, b.client, b.secrets); err != nil {
			return nil, &store.Error{Op: "open", Path: Scheme + "://" + u.Host, Err: err, Hint: adviceNone}
		}
	}
	return object.New(ctx, b, prefix, cfg.At(b.endpoint)), nil
}

func newBucket(name string, secrets *object.Secrets) *bucket {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns // parts of many uploads go to one host
	return &bucket{name: name, endpoint: "https://storage.googleapis.com", secrets: secrets, client: &http.Client{
		Transport: transport,
		// The store answers 308 to parts, and never sends anybody elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// credentials are the application default credentials. The end of ctx does not end them, because what is finished
// is still published after that.
func credentials(ctx context.Context, client *http.Client, s *object.Secrets) (oauth2.TokenSource, error) {
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, &http.Client{Transport: client.Transport, Timeout: tokenTime})
	found, err := google.FindDefaultCredentials(ctx, scope)
	if err != nil { // its text may quote a key, if the variable has one where it should name a file
		if os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") != "" {
			return nil, errors.New("GOOGLE_APPLICATION_CREDENTIALS does not name a readable file of credentials")
		}
		return nil, errors.New("there are no Google credentials")
	}
	var file map[string]any
	if json.Unmarshal(found.JSON, &file) == nil {
		for _, name := range []string{"private_key", "refresh_token", "client_secret"} {
			if secret, ok := file[name].(string); ok {
				s.Add(secret)
			}
		}
	}
	return found.TokenSource, nil
}
