package main

import (
	"io"
	"net/url"
	"regexp"
	"strings"
)

// Secrets are kept out of every output in two ways. What this process knows to be one (the token, what the variables
// of the stores' credential chains hold, credentials in an argument) is taken out of everything, documents included, by
// the redactors. What only looks like one (the signature of a URL, an authorization header) is taken out of logs,
// messages and results, but not out of documents: posts link to signed URLs of others, and cat prints them as they are.

// secretVariables hold one secret each.
var secretVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
	"AZURE_STORAGE_KEY", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD",
	"PGPASSWORD",
}

// Variables that hold secrets among other things.
const (
	connectionVariable = "AZURE_STORAGE_CONNECTION_STRING"
	sasVariable        = "AZURE_STORAGE_SAS_TOKEN"
)

// cloudSecrets are what the environment holds for object stores.
func cloudSecrets(getenv func(string) string) (secrets []string) {
	for _, name := range secretVariables {
		secrets = append(secrets, getenv(name))
	}
	for part := range strings.SplitSeq(getenv(connectionVariable), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.ToLower(name) {
		case "accountkey":
			secrets = append(secrets, value)
		case "sharedaccesssignature":
			secrets = append(secrets, signatures(value)...)
		}
	}
	return append(secrets, signatures(getenv(sasVariable))...)
}

// signatures are the secrets of a shared access signature: the rest of it says what it allows, in dates and numbers
// that are everywhere.
func signatures(sas string) []string {
	values, err := url.ParseQuery(strings.TrimPrefix(sas, "?"))
	if err != nil || len(values["sig"]) == 0 {
		return []string{sas} // not understood, so all of it
	}
	secrets := values["sig"]
	for part := range strings.SplitSeq(sas, "&") { // as it is spelt
		if raw, ok := strings.CutPrefix(strings.TrimPrefix(part, "?"), "sig="); ok {
			secrets = append(secrets, raw)
		}
	}
	return secrets
}

// harmless are the parameters of stores' URLs that hold no secret. Values of any other are hidden: who knows.
var harmless = map[string]bool{
	"region": true, "endpoint": true, "profile": true, "awssdk": true, "use_path_style": true, "s3forcepathstyle": true,
	"hostname_immutable": true, "disable_https": true, "disablessl": true, "accelerate": true, "use_accelerate_endpoint": true,
	"dualstack": true, "use_dualstack": true, "fips": true, "use_fips_endpoint": true, "anonymous": true,
	"rate_limiter_capacity": true, "request_checksum_calculation": true, "response_checksum_validation": true,
	"ssetype": true, "kmskeyid": true, "storage_class": true, "universe_domain": true, "access_id": true,
	"protocol": true, "domain": true, "cdn": true, "localemu": true, "storage_account": true, "container": true,
}

// argumentSecrets are the credentials and the parameters in an argument that is a URL.
func argumentSecrets(arg string) (secrets []string) {
	scheme, rest, ok := strings.Cut(arg, "://")
	if !ok || urlScheme.FindString(scheme+":") != scheme+":" {
		return nil
	}
	rest, query, _ := strings.Cut(rest, "?")
	if hasUserInfo(rest) {
		info := rest[:max(strings.LastIndex(rest, "@"), 0)]
		user, password, _ := strings.Cut(info, ":")
		secrets = append(secrets, user, password)
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		if harmless[strings.ToLower(name)] {
			continue
		}
		secrets = append(secrets, value)
		if plain, err := url.QueryUnescape(value); err == nil && plain != value {
			secrets = append(secrets, plain)
		}
	}
	return secrets
}

// signs are how text of others shows a secret, each with what stays of it as its first groups.
var signs = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b((?:sig|signature|x-amz-signature|x-amz-security-token|x-amz-credential|x-goog-signature|x-goog-credential|` +
		`access_token|refresh_token|client_secret|accountkey|sharedaccesssignature|aws_secret_access_key|aws_session_token)(?:=|%3d|\\u003d))[^&\s"'<>\\;*][^&\s"'<>\\;]*`), // three stars stand for a secret already
	regexp.MustCompile(`(?i)\b(authorization["']?\s*[:=]\s*[\["']*)[^\r\n"'\\\]}]+`),
	regexp.MustCompile(`(?i)\b((?:bearer|sharedkey(?:lite)?)\s+)[a-z0-9._~+/=:-]{16,}`),
	regexp.MustCompile(`(://)[^/\s@"'?#]+(@)`),
	regexp.MustCompile(`\b()(?:AKIA|ASIA)[A-Z0-9]{16}\b`),
	regexp.MustCompile(`\b()ya29\.[\w-]{10,}`),
	regexp.MustCompile(`\b()eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+`),
}

// withoutSigns is text without what looks like a secret.
func withoutSigns(text string) string {
	for _, r := range signs {
		text = r.ReplaceAllString(text, "${1}REDACTED${2}")
	}
	return text
}

// plainSpoken takes what looks like a secret out of each write: logs and messages are written in one piece.
type plainSpoken struct{ w io.Writer }

func (p plainSpoken) Write(b []byte) (int, error) {
	if _, err := io.WriteString(p.w, withoutSigns(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
