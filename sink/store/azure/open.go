package azure

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

// Scheme begins the addresses of this store.
const Scheme = "azblob"

const adviceCredentials = "set AZURE_STORAGE_ACCOUNT and one of AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, or what Azure's default credential takes; or AZURE_STORAGE_CONNECTION_STRING alone"

// settings are what the parameters of an address say. Their names are those of gocloud.dev.
type settings struct {
	account, domain, protocol string
	cdn, emulator             bool
}

// Open makes an output of an address, "azblob://container/prefix?storage_account=name". It sends no request.
// Credentials are those that Azure's tools share: an account's key, a shared access signature, a connection string,
// and else Azure's default credential. ctx is the process's, as object.New takes it.
func Open(ctx context.Context, u *url.URL, cfg object.Config) (store.Store, error) {
	b, prefix, err := open(u, object.NewSecrets(cfg.Secret))
	if err != nil {
		return nil, err
	}
	return object.New(ctx, b, prefix, cfg.At(b.client.URL())), nil
}

func open(u *url.URL, secrets *object.Secrets) (b *bucket, prefix string, err error) {
	set := &settings{account: os.Getenv("AZURE_STORAGE_ACCOUNT"), domain: "blob.core.windows.net", protocol: "https"}
	prefix, err = object.Address(u, Scheme, adviceCredentials, map[string]func(string) error{
		"storage_account": object.Text(&set.account), "domain": object.Text(&set.domain), "protocol": object.Text(&set.protocol),
		"cdn": object.Flag(&set.cdn), "localemu": object.Flag(&set.emulator),
	})
	if err != nil {
		return nil, "", err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns // parts of many uploads go to one host
	b = &bucket{http: &http.Client{Transport: transport}, name: u.Host, secrets: secrets}
	if err := b.connect(set, u.RawQuery != ""); err != nil {
		return nil, "", &store.Error{Op: "open", Path: Scheme + "://" + u.Host, Err: err, Hint: adviceCredentials}
	}
	return b, prefix, nil
}

// connect makes the client. Texts of the SDK's errors about keys are left out.
func (b *bucket) connect(set *settings, parameters bool) (err error) {
	azlog.SetListener(nil) // AZURE_SDK_GO_LOGGING would make it write to standard error
	options := &container.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: b.http,
		Telemetry: policy.TelemetryOptions{ApplicationID: "tw2parquet"},
		// Its retries would turn an answer that was lost into "taken". They are made where that is known.
		Retry: policy.RetryOptions{MaxRetries: -1},
	}}
	key, sas, all := os.Getenv("AZURE_STORAGE_KEY"), os.Getenv("AZURE_STORAGE_SAS_TOKEN"), os.Getenv("AZURE_STORAGE_CONNECTION_STRING")
	if (set.account == "" || key == "") && sas == "" && all != "" {
		return b.connectString(all, parameters, options)
	}
	where, err := set.url(b.name)
	if err != nil {
		return err
	}
	switch {
	case key != "":
		b.secrets.Add(key)
		shared, err := container.NewSharedKeyCredential(set.account, key)
		if err != nil {
			return errors.New("AZURE_STORAGE_KEY is not the key of an account")
		}
		b.client, err = container.NewClientWithSharedKeyCredential(where, shared, options)
		return unusable(err)
	case sas != "":
		if b.expires, err = b.signature(sas); err != nil {
			return errors.New("AZURE_STORAGE_SAS_TOKEN is not a shared access signature")
		}
		b.client, err = container.NewClientWithNoCredential(where+"?"+strings.TrimPrefix(sas, "?"), options)
		return unusable(err)
	}
	for _, name := range []string{"AZURE_CLIENT_SECRET", "AZURE_PASSWORD", "AZURE_CLIENT_CERTIFICATE_PASSWORD"} {
		b.secrets.Add(os.Getenv(name))
	}
	from, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: b.http, Telemetry: options.Telemetry},
	})
	if err != nil {
		return errors.New(b.secrets.Scrub(err.Error()))
	}
	b.client, err = container.NewClient(where, &tokens{from: from, secrets: b.secrets}, options)
	return unusable(err)
}

func unusable(err error) error {
	if err != nil {
		return errors.New("the address of the account cannot be used")
	}
	return nil
}

// connectString takes a connection string, which has the address of the account, too.
func (b *bucket) connectString(text string, parameters bool, options *container.ClientOptions) (err error) {
	if parameters {
		return errors.New("parameters have no meaning beside AZURE_STORAGE_CONNECTION_STRING, which names the account")
	}
	for part := range strings.SplitSeq(text, ";") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "AccountKey":
			b.secrets.Add(value)
		case "SharedAccessSignature":
			if b.expires, err = b.signature(value); err != nil {
				return errors.New("AZURE_STORAGE_CONNECTION_STRING has no proper shared access signature")
			}
		}
	}
	if b.client, err = container.NewClientFromConnectionString(text, b.name, options); err != nil {
		return errors.New("AZURE_STORAGE_CONNECTION_STRING is not a connection string")
	}
	return nil
}

// signature notes what is secret in a shared access signature, and tells when it expires.
func (b *bucket) signature(text string) (expires time.Time, err error) {
	text = strings.TrimPrefix(text, "?")
	b.secrets.Add(text)
	values, err := url.ParseQuery(text)
	if err != nil || values.Get("sig") == "" {
		return time.Time{}, errors.New("no signature")
	}
	b.secrets.Add(values.Get("sig"), url.QueryEscape(values.Get("sig")))
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04Z", time.DateOnly} {
		if expires, err := time.Parse(form, values.Get("se")); err == nil {
			return expires, nil
		}
	}
	return time.Time{}, nil // a stored policy may say
}

// url is the address of a container, as gocloud.dev makes it.
func (s *settings) url(name string) (string, error) {
	switch {
	case s.account == "":
		return "", errors.New("the storage account is not known")
	case strings.ContainsFunc(s.account, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }):
		return "", errors.New("the storage account has other characters than a-z and 0-9")
	case strings.ContainsAny(s.domain, "/?#@"):
		return "", errors.New("the domain is not a host")
	case s.emulator && s.protocol != "http" || !s.emulator && s.protocol != "https":
		return "", errors.New("protocol=http and localemu=true belong together")
	}
	u := url.URL{Scheme: s.protocol, Host: s.account + "." + s.domain}
	switch {
	case s.emulator:
		u = *(&url.URL{Scheme: s.protocol, Host: s.domain}).JoinPath(s.account)
	case s.cdn:
		u.Host = s.domain
	}
	return u.JoinPath(name).String(), nil
}
