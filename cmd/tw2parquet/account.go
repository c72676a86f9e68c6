package main

import (
	"context"
	"encoding/json"
	"time"

	"tw2parquet/source"
)

// shown is how the commands that show something print it.
type shown struct {
	Output string `name:"output" enum:"table,json" default:"table" help:"table for people, or json for scripts."`
}

const apiHelp = "\n\nExit codes: 0 ok, 2 usage, 10 auth, 12 rejected, 20 unavailable (retry helps), 50 the output cannot be written.\nSee also: exit-codes"

type creditsCmd struct{ shown }

// Help is the long form of --help.
func (creditsCmd) Help() string {
	return "Asks the API for the account's credits; free.\n\nExample:\n  tw2parquet credits\n  tw2parquet credits --output json" + apiHelp
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
	err = a.table([]heading{{name: "credits"}, {name: "used", right: true}, {name: "left", right: true}}, [][]string{
		{"monthly", countText(credits.UsedMonthly), countText(credits.RemainingMonthly)},
		{"one-time", countText(credits.UsedOnetime), countText(credits.RemainingOnetime)},
		{"together", countText(credits.UsedMonthly + credits.UsedOnetime), countText(credits.Spendable())},
	})
	if err != nil {
		return err
	}
	var all []string
	if !credits.NextBilling.IsZero() {
		all = append(all, "The next billing period begins "+minute(credits.NextBilling)+" UTC.")
	}
	if credits.RemainingX >= 0 {
		all = append(all, "Posts on X that may still be handed over this month: "+countText(credits.RemainingX)+".")
	}
	return a.write(facts(all))
}

// minute is an instant for people, in UTC, as the heading says.
func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}

type projectsCmd struct{ shown }

// Help is the long form of --help.
func (projectsCmd) Help() string {
	return "Lists the projects that the token may use; free.\n\nExample:\n  tw2parquet projects\n  tw2parquet projects --output json | jq -r '.[].id'" + apiHelp
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
	return a.table([]heading{{name: "project"}, {name: "name", prose: true}, {name: "account"}, {name: "account name", prose: true}}, rows)
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
	return "Lists the topics of a project, for export --topic; free.\n\nExample:\n  tw2parquet topics --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\n  tw2parquet topics --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee --output json |\n    jq -r '.[].id'" + apiHelp
}

// Run prints the topics.
func (c *topicsCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	resources, err := api.Resources(ctx, c.Project, "search")
	if err != nil {
		return nearProject(ctx, api, c.Project, err)
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
	return a.table([]heading{{name: "topic"}, {name: "title", prose: true}, {name: "group", prose: true}}, rows)
}

// raws are the API's own objects of a list, for --output json.
func raws[T any](list []T, raw func(T) json.RawMessage) []json.RawMessage {
	out := make([]json.RawMessage, len(list))
	for i, v := range list {
		out[i] = raw(v)
	}
	return out
}
