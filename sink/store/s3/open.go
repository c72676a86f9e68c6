// Package s3 keeps an output in a bucket of Amazon S3, or of a store that speaks its language: MinIO, R2, Ceph,
// Wasabi and others.
//
// It is a driver of package object, on the SDK's client. The SDK's own uploader is not used: it
// holds several times the memory, and leaves uploads behind when it is cancelled.
package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

// Scheme begins the addresses of this store.
const Scheme = "s3"

// appID tells the store's operators who asks.
const appID = "tw2parquet"

// settings are what the parameters of an address say. Their names are those of gocloud.dev, which other tools
// share.
type settings struct {
	load       []func(*config.LoadOptions) error
	client     []func(*s3.Options)
	anonymous  bool
	unchecked  bool // no checksums
	encryption types.ServerSideEncryption
	key        string // of the encryption
	class      types.StorageClass
}

var parameters = map[string]func(s *settings, value string) error{
	"region": func(s *settings, v string) error { s.load = append(s.load, config.WithRegion(v)); return nil },
	"profile": func(s *settings, v string) error {
		s.load = append(s.load, config.WithSharedConfigProfile(v))
		return nil
	},
	"kmskeyid": func(s *settings, v string) error { s.key = v; return nil },
	"endpoint": func(s *settings, v string) error {
		u, err := url.Parse(v)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
			return errors.New("expected an address like https://host:port, without a user")
		}
		s.client = append(s.client, func(o *s3.Options) { o.BaseEndpoint = aws.String(v) })
		return nil
	},
	"use_path_style": flag(func(s *settings, on bool) {
		s.client = append(s.client, func(o *s3.Options) { o.UsePathStyle = on })
	}),
	"disable_https": flag(func(s *settings, on bool) {
		s.client = append(s.client, func(o *s3.Options) { o.EndpointOptions.DisableHTTPS = on })
	}),
	"accelerate": flag(func(s *settings, on bool) {
		s.client = append(s.client, func(o *s3.Options) { o.UseAccelerate = on })
	}),
	"dualstack": flag(func(s *settings, on bool) {
		if on {
			s.load = append(s.load, config.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
		}
	}),
	"fips": flag(func(s *settings, on bool) {
		if on {
			s.load = append(s.load, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
		}
	}),
	"anonymous": flag(func(s *settings, on bool) {
		if s.anonymous = on; on {
			s.load = append(s.load, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
		}
	}),
	"ssetype": func(s *settings, v string) error {
		s.encryption = types.ServerSideEncryption(v)
		return oneOf(s.encryption, s.encryption.Values())
	},
	"storage_class": func(s *settings, v string) error {
		s.class = types.StorageClass(v)
		return oneOf(s.class, s.class.Values())
	},
	"request_checksum_calculation": func(s *settings, v string) error {
		s.unchecked = v == "when_required"
		return oneOf(v, []string{"when_supported", "when_required"})
	},
}

func flag(set func(s *settings, on bool)) func(*settings, string) error {
	return func(s *settings, v string) error {
		on, err := strconv.ParseBool(v)
		if err != nil {
			return errors.New("expected true or false")
		}
		set(s, on)
		return nil
	}
}

func oneOf[T ~string](v T, known []T) error {
	if slices.Contains(known, v) {
		return nil
	}
	return fmt.Errorf("expected one of %v", known)
}

// Open makes an output of an address, "s3://bucket/prefix?region=eu-central-1". It sends no request to the
// bucket. Credentials come from where the AWS SDK looks for them, and from nowhere else. ctx is the
// process's, as object.New takes it.
func Open(ctx context.Context, u *url.URL, cfg object.Config) (store.Store, error) {
	where := Scheme + "://" + u.Host
	fail := func(err error, hint string) error {
		return &store.Error{Op: "open", Path: where, Err: err, Hint: hint}
	}
	prefix := strings.Trim(u.Path, "/")
	switch {
	case u.Scheme != Scheme || u.Host == "":
		return nil, fail(errors.New("not the address of a bucket"), "use s3://bucket/prefix")
	case u.User != nil:
		return nil, fail(errors.New("an address with a user or a password"), "give credentials as the AWS tools take them: AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role")
	case prefix != "" && path.Clean(prefix) != prefix || u.Fragment != "":
		return nil, fail(errors.New("the prefix is not a plain path"), "use s3://bucket/some/prefix, without . and .., empty elements or #")
	}
	set, err := parse(u.RawQuery)
	if err != nil {
		return nil, fail(err, "")
	}
	secrets := object.NewSecrets(cfg.Secret)
	client, renew, err := connect(ctx, set, secrets, cfg.Logger)
	if err != nil {
		return nil, fail(errors.New(secrets.Scrub(err.Error())), "the AWS configuration cannot be used; check the environment variables AWS_* and ~/.aws")
	}
	if client.Options().Region == "" {
		return nil, fail(errors.New("the region of the bucket is not known"), "set AWS_REGION, or add ?region=… to the address")
	}
	b := &bucket{client: client, name: u.Host, settings: set, secrets: secrets, renew: renew}
	return object.New(ctx, b, prefix, cfg.At(aws.ToString(client.Options().BaseEndpoint))), nil
}

func parse(query string) (*settings, error) {
	set := &settings{}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("the parameters of the address are not well-formed")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		apply := parameters[name]
		if apply == nil {
			return nil, fmt.Errorf("unknown parameter %q; known are %s", name, strings.Join(slices.Sorted(maps.Keys(parameters)), ", "))
		}
		if len(values[name]) > 1 {
			return nil, fmt.Errorf("parameter %s is given twice", name)
		}
		if err := apply(set, values[name][0]); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	return set, nil
}

// connect makes the client. renew makes it ask for new credentials.
func connect(ctx context.Context, set *settings, secrets *object.Secrets, log *slog.Logger) (client *s3.Client, renew func(), err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	// Only a client of this type is given the certificates of AWS_CA_BUNDLE.
	wire := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.WriteBufferSize = 64 << 10 // parts are large
	})
	load := append([]func(*config.LoadOptions) error{
		config.WithAppID(appID),
		config.WithHTTPClient(wire),
		config.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
			log.Debug("aws: " + secrets.Scrub(fmt.Sprintf(format, v...)))
		})),
	}, set.load...)
	loaded, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, nil, err
	}
	renew = func() {}
	if cache, ok := loaded.Credentials.(*aws.CredentialsCache); ok {
		renew = cache.Invalidate
	}
	client = s3.NewFromConfig(loaded, func(o *s3.Options) {
		if !set.anonymous {
			o.Credentials = &credentials{from: loaded.Credentials, secrets: secrets}
		}
		// Its retries would turn an answer that was lost into "taken". They are made where that is known.
		o.Retryer = aws.NopRetryer{}
		// We send the checksums ourselves, and read ranges, which have none.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		for _, apply := range set.client {
			apply(o)
		}
		if o.Region == "" && o.BaseEndpoint != nil {
			o.Region = "us-east-1" // what stores other than Amazon's expect
		}
	})
	return client, renew, nil
}
