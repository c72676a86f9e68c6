package object_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tw2parquet/sink/store/object"
)

// Credentials are hidden wherever they stand, those that nobody told us of too, and whoever shows text is told them.
func TestSecrets_Scrub(t *testing.T) {
	var told []string
	s := object.NewSecrets(func(text string) { told = append(told, text) })
	s.Add("secret", "secret-that-is-longer", "abc", "", "secret")
	if want := []string{"secret", "secret-that-is-longer"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	for text, want := range map[string]string{
		"a secret-that-is-longer here": "a [hidden] here", "abc stays": "abc stays",
		"https://h/c?sv=1&sig=a%2Fb%3D&se=2":           "https://h/c?sv=1&sig=[hidden]&se=2",
		"x?X-Amz-Security-Token=tok&X-Amz-Signature=s": "x?X-Amz-Security-Token=[hidden]&X-Amz-Signature=[hidden]",
		"Authorization: Bearer ya29.x-y z":             "Authorization: Bearer [hidden] z", "SharedKey account:c2ln= end": "SharedKey [hidden] end",
		"AccountName=a;AccountKey=Eby8==;End": "AccountName=a;AccountKey=[hidden]", "design=1": "design=1",
	} {
		if got := s.Scrub(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	for i := range 100 { // credentials that are renewed again and again
		s.Add(fmt.Sprintf("renewed-%03d", i))
	}
	if got := s.Scrub("renewed-099 " + strings.Repeat("é", 1000)); !strings.HasPrefix(got, "[hidden] é") || len(got) > 510 {
		t.Error(got)
	}
}
