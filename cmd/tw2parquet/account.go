package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"tw2parquet/sink/store"
	"tw2parquet/source"
)

// shown is how the commands that show something print it.
type shown struct {
	Output string `name:"output" enum:"table,json" default:"table" help:"table or json."`
}

const apiHelp = "\n\nEnvironment: TALKWALKER_ACCESS_TOKEN, TALKWALKER_TOKEN_FILE, TALKWALKER_BASE_URL.\nExit codes: 0 ok, 2 usage, 10 auth, 12 rejected, 20 unavailable (retry helps), 50 the output cannot be written."

type creditsCmd struct{ shown }

// Help is the long form of --help.
func (creditsCmd) Help() string {
	return "Asks the API for the account's credits; free.\n\nExample:\n  tw2parquet credits --output json" + apiHelp
}

// Run prints the credits.
func (c *creditsCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	credits, err := api.Credits(ctx)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return a.indented(credits.Raw)
	}
	return a.table([]string{"", "used", "left"}, [][]string{
		{"monthly", fmt.Sprint(credits.UsedMonthly), fmt.Sprint(credits.RemainingMonthly)},
		{"one-time", fmt.Sprint(credits.UsedOnetime), fmt.Sprint(credits.RemainingOnetime)},
		{"next billing period", "", day(credits.NextBilling)},
	})
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}

type projectsCmd struct{ shown }

// Help is the long form of --help.
func (projectsCmd) Help() string {
	return "Lists the projects that the token may use; free.\n\nExample:\n  tw2parquet projects" + apiHelp
}

// Run prints the projects.
func (c *projectsCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	projects, err := api.Projects(ctx)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return a.indented(raws(projects, func(p source.Project) json.RawMessage { return p.Raw }))
	}
	rows := make([][]string, len(projects))
	for i, p := range projects {
		rows[i] = []string{p.ID, p.Name, p.AccountID, p.AccountName}
	}
	return a.table([]string{"project", "name", "account", "account name"}, rows)
}

// topic is a topic as --output json prints it.
type topic struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
	GroupID     string `json:"group_id"`
	Group       string `json:"group"`
}

type topicsCmd struct {
	shown
	Project string `name:"project" required:"" placeholder:"ID" help:"The project."`
}

// Help is the long form of --help.
func (topicsCmd) Help() string {
	return "Lists the topics of a project, for export --topic; free.\n\nExample:\n  tw2parquet topics --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee" + apiHelp
}

// Run prints the topics.
func (c *topicsCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	resources, err := api.Resources(ctx, c.Project, "search")
	if err != nil {
		return err
	}
	if c.Output == "json" {
		topics := make([]topic, len(resources))
		for i, r := range resources {
			topics[i] = topic{r.ID, r.Title, r.Description, r.GroupID, r.Group}
		}
		return a.indented(topics)
	}
	rows := make([][]string, len(resources))
	for i, r := range resources {
		rows[i] = []string{r.ID, r.Title, r.Group}
	}
	return a.table([]string{"topic", "title", "group"}, rows)
}

// raws are the API's own objects of a list, for --output json.
func raws[T any](list []T, raw func(T) json.RawMessage) []json.RawMessage {
	out := make([]json.RawMessage, len(list))
	for i, v := range list {
		out[i] = raw(v)
	}
	return out
}

// table prints rows under their headings. Cells come from the API: control characters are escaped,
// so that a title cannot move the cursor.
func (a *app) table(head []string, rows [][]string) error {
	rows = append([][]string{head}, rows...)
	widths := make([]int, len(head))
	for _, row := range rows {
		for i := range row {
			row[i] = store.Printable(row[i])
			widths[i] = max(widths[i], displayed(row[i]))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-displayed(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}
