package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// statement is one of a policy, with what a bucket's own has besides.
type statement struct {
	Effect    string
	Principal map[string]any
	Action    any
	Resource  any                          // a text, or several
	Condition map[string]map[string]string `json:",omitempty"`
}

// actions are those of a statement, which may be written as one.
func (s *statement) actions() (all []string) {
	switch a := s.Action.(type) {
	case string:
		return []string{a}
	case []any:
		for _, one := range a {
			all = append(all, fmt.Sprint(one))
		}
	}
	return all
}

// leastRights are the statements of the policy that the manual prints.
func (a *account) leastRights() (all []statement) {
	a.t.Helper()
	block := regexp.MustCompile(`(?s)\{\s*"Version".*?\n\s*\]\s*\}`).FindString(a.run(0, "help", "stores").stdout)
	if block == "" {
		a.t.Fatal("the manual has no policy")
	}
	var policy struct{ Statement []statement }
	if err := json.Unmarshal([]byte(block), &policy); err != nil {
		a.t.Fatal(err)
	}
	return policy.Statement
}

// grant lets a user do in the lake's bucket what statements say of s3://bucket/lake, for those of the actions that keep holds of.
func (l *lake) grant(user string, all []statement, keep func(action string) bool) {
	l.t.Helper()
	place := strings.NewReplacer("arn:aws:s3:::bucket", "arn:aws:s3:::"+l.bucket, "/lake/*", "/"+prefix+"/*")
	var some []statement
	for _, s := range all {
		actions := slices.DeleteFunc(s.actions(), func(action string) bool { return !keep(action) })
		if len(actions) == 0 {
			continue
		}
		s.Principal, s.Action, s.Resource = map[string]any{"AWS": user}, actions, place.Replace(fmt.Sprint(s.Resource))
		for _, values := range s.Condition {
			for key, value := range maps.Clone(values) {
				values[key] = strings.Replace(value, "lake/", prefix+"/", 1)
			}
		}
		some = append(some, s)
	}
	l.setPolicy(some)
}

func (l *lake) setPolicy(all []statement) {
	l.t.Helper()
	text := must[[]byte](l.t)(json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": all}))
	if err := l.server.SetPolicy(l.t.Context(), l.bucket, string(text)); err != nil {
		l.t.Fatal(err)
	}
}

// restricted is an export of large files by a user of its own, who may do what is kept of the manual's policy.
func restricted(t *testing.T, keep func(action string) bool) (*lake, *account, []string) {
	t.Helper()
	l, a, args := trial(t, true)
	user := "user-of-" + l.bucket
	if err := l.server.CreateUser(t.Context(), user, user+"-secret"); err != nil {
		t.Fatal(err)
	}
	statements := a.leastRights()
	l.grant(user, statements, keep)
	a.env = append(slices.Clone(a.env), "AWS_ACCESS_KEY_ID="+user, "AWS_SECRET_ACCESS_KEY="+user+"-secret")
	return l, a, args
}

func everything(string) bool { return true }

// The rights that the manual asks for suffice for every command, with files of several parts, and for mending.
func TestRights_TheLeastSuffice(t *testing.T) {
	l, a, args := restricted(t, everything)
	a.run(0, "check", "--project", a.Projects()[0], "--out", l.out)
	e := a.run(0, args...)
	a.expectWhole(l, e)
	if strings.Contains(e.stderr, "WARN") {
		t.Errorf("it warns: %s", e)
	}
	a.run(0, "verify", l.out)
	a.run(0, "cat", l.out)
	a.run(0, args...)
	l.remove(l.parquet()[0])
	a.expectWhole(l, a.run(0, append(args, "--refetch")...))
	a.run(0, "verify", l.out)
	if open := l.uploads(); len(open) > 0 {
		t.Errorf("uploads are open: %q", open)
	}
	a.run(0, "drop", l.out, e.result.Windows[0].Run, "--yes")
}

// What a missing right does is told with its name, before anything is bought.
func TestRights_OneLess(t *testing.T) {
	const code = "store_denied"
	for _, right := range []string{"s3:PutObject", "s3:ListBucket", "s3:DeleteObject", "s3:GetObject"} {
		t.Run(strings.TrimPrefix(right, "s3:"), func(t *testing.T) {
			t.Parallel()
			l, a, args := restricted(t, func(action string) bool { return action != right })
			checked := a.launch("check", "--project", a.Projects()[0], "--out", l.out).end()
			e := a.launch(args...).end()
			if checked.code != 50 || !strings.Contains(checked.stdout+checked.stderr, "grant "+right) {
				t.Errorf("check does not name %s: %s", right, checked)
			}
			if got := e.result.Error; e.code != 50 || got.Code != code || got.Retryable || !strings.Contains(got.Message+got.Hint, "grant "+right) {
				t.Errorf("want %s that names %s: %s", code, right, e)
			}
			if posts := a.Ledger().ExportPosts(); posts > 0 {
				t.Errorf("it bought %d times", posts)
			}
		})
	}
}

// Two rights are only for what dead processes leave. Check names the one that is missing, and so does every start that
// has to look: one that goes on with a run that was begun, and one that mends. All go on without.
func TestRights_OneLessForLeftovers(t *testing.T) {
	for _, right := range []string{"s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads"} {
		t.Run(strings.TrimPrefix(right, "s3:"), func(t *testing.T) {
			t.Parallel()
			l, a, args := restricted(t, func(action string) bool { return action != right })
			warns := func(e ended) {
				t.Helper()
				if !strings.Contains(strings.ToLower(e.stdout+e.stderr), "warn") || !strings.Contains(e.stdout+e.stderr, "grant "+right) {
					t.Errorf("there is no warning that names %s: %s", right, e)
				}
			}
			warns(a.run(0, "check", "--project", a.Projects()[0], "--out", l.out))
			hook, _ := fault{kind: "complete", times: always, what: answer(http.StatusForbidden, "AccessDenied")}.hook()
			l.proxy.Hook(hook)
			a.run(50, args...)
			l.proxy.Hook(nil)
			e := a.run(0, args...)
			a.expectWhole(l, e)
			warns(e)
			l.remove(l.parquet()[0])
			e = a.run(0, append(args, "--refetch")...)
			a.expectRows(l, e)
			warns(e)
		})
	}
}

// Reading needs two rights.
func TestRights_OfReaders(t *testing.T) {
	readers := func(action string) bool { return action == "s3:GetObject" || action == "s3:ListBucket" }
	l, a, args := restricted(t, readers)
	user := a.env
	a.env = l.env
	a.expectWhole(l, a.run(0, args...))
	a.env = user
	a.run(0, "verify", l.out)
	a.run(0, "cat", l.out)
	a.run(0, args...) // what is complete is read alone
	for _, right := range []string{"s3:GetObject", "s3:ListBucket"} {
		l.grant("user-of-"+l.bucket, a.leastRights(), func(action string) bool { return readers(action) && action != right })
		for _, command := range []string{"verify", "cat"} {
			if e := a.run(50, command, l.out); !strings.Contains(e.stdout+e.stderr, "grant "+right) {
				t.Errorf("%s does not name %s: %s", command, right, e)
			}
		}
	}
}
