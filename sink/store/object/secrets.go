package object

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Secrets are the credentials a driver has used. Whatever text comes from a store or its library goes
// through Scrub before anybody sees it. It is safe for concurrent use.
type Secrets struct {
	tell  func(string)
	mu    sync.Mutex
	known []string // the oldest first
}

// NewSecrets begins with none; tell, which may be nil, is told each of them once.
func NewSecrets(tell func(string)) *Secrets { return &Secrets{tell: tell} }

// shortestSecret keeps words of ordinary text from being taken for credentials.
const shortestSecret = 4

// mostSecrets bounds what is kept of credentials that are renewed every few minutes.
const mostSecrets = 64

// Add notes credentials before they are used.
func (s *Secrets) Add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		if len(text) < shortestSecret || slices.Contains(s.known, text) {
			continue
		}
		if s.tell != nil {
			s.tell(text)
		}
		if s.known = append(s.known, text); len(s.known) > mostSecrets {
			s.known = s.known[1:]
		}
	}
}

// patterns are what credentials look like in addresses and headers, known or not.
var patterns = regexp.MustCompile(`(?i)((?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|sig|signature|token|accountkey|sharedaccesssignature)=)[^&\s"'<>]+|` +
	`(\b(?:bearer|sharedkey)\s+)[^\s"'<>]+`)

// hidden stands where a secret was.
const hidden = "[hidden]"

// Scrub is text without secrets, and not longer than an error should be.
func (s *Secrets) Scrub(text string) string {
	s.mu.Lock()
	longest := slices.SortedFunc(slices.Values(s.known), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	s.mu.Unlock()
	for _, secret := range longest { // so that none is left in part
		text = strings.ReplaceAll(text, secret, hidden)
	}
	text = patterns.ReplaceAllString(text, "${1}${2}"+hidden)
	const most = 500
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}
