package main

import (
	"context"
	"encoding/json"
	"fmt"

	"tw2parquet/sink/store"
	"tw2parquet/source"
)

type tasksCmd struct {
	List  taskListCmd  `cmd:"" help:"List the recent export tasks, newest first."`
	Get   taskGetCmd   `cmd:"" help:"Show one task."`
	Abort taskAbortCmd `cmd:"" help:"Abort a task; what it has exported stays readable and is charged."`
}

// Help is the long form of --help.
func (tasksCmd) Help() string {
	return "Lists, shows or aborts export tasks.\n\nExample:\n  tw2parquet tasks list\n  tw2parquet tasks list --output json" + apiHelp
}

type taskListCmd struct{ shown }

// Help is the long form of --help.
func (taskListCmd) Help() string {
	return "Lists the account's recent export tasks: how far they are, and which collector holds their results; free.\n\nExample:\n  tw2parquet tasks list\n  tw2parquet tasks list --output json | jq -r '.[].id'" + apiHelp
}

// Run prints the tasks.
func (c *taskListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	tasks, err := api.Tasks(ctx)
	if err != nil {
		return err
	}
	return c.show(a, tasks)
}

type taskGetCmd struct {
	shown
	ID string `arg:"" help:"The task's id."`
}

// Help is the long form of --help.
func (taskGetCmd) Help() string {
	return "Shows one export task, also an old one; free.\n\nExample:\n  tw2parquet tasks get 3f2a0000-bbbb-cccc-dddd-eeeeeeeeeeee\n  tw2parquet tasks get 3f2a0000-bbbb-cccc-dddd-eeeeeeeeeeee --output json" + apiHelp
}

// Run prints one task.
func (c *taskGetCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	task, err := api.Task(ctx, c.ID)
	if err != nil {
		return nearTask(ctx, api, c.ID, err)
	}
	return c.show(a, []source.Task{task})
}

type taskAbortCmd struct {
	shown
	consent
	ID string `arg:"" help:"The task's id."`
}

// Help is the long form of --help.
func (taskAbortCmd) Help() string {
	return `Ends an export task for good. What it has exported by then is charged, and stays readable in its collector for 7 days; the rest
is not bought. An export that waits for the task publishes what is there and ends with 40. On a terminal it shows the task and
asks; elsewhere it needs --yes. A task that has ended already stays as it is.

Example:
  tw2parquet tasks abort 3f2a0000-bbbb-cccc-dddd-eeeeeeeeeeee
  tw2parquet tasks abort 3f2a0000-bbbb-cccc-dddd-eeeeeeeeeeee --yes --output json` + apiHelp
}

// Run aborts one task.
func (c *taskAbortCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	if done, err := c.asked(ctx, a, api); done || err != nil {
		return err
	}
	task, err := api.AbortTask(ctx, c.ID)
	if err != nil {
		return nearTask(ctx, api, c.ID, err)
	}
	return c.show(a, []source.Task{task})
}

// asked shows a person what aborting the task does, and asks; done: there is nothing to abort.
func (c *taskAbortCmd) asked(ctx context.Context, a *app, api *source.Client) (done bool, err error) {
	const what = "abort the task"
	if err := c.askable(a, what); c.Yes || err != nil {
		return false, err
	}
	task, err := api.Task(ctx, c.ID)
	if err != nil {
		return false, nearTask(ctx, api, c.ID, err)
	}
	if task.Status.Terminal() {
		a.log.Info("the task has ended; there is nothing to abort", "status", string(task.Status))
		return true, c.show(a, []source.Task{task})
	}
	said := fmt.Sprintf("- Task %s (%s) has exported %s results. They are paid, and stay readable in collector %s for 7 days.\n"+
		"- Aborting it buys no more of them. That cannot be undone: an export that waits for it ends with 40, and what is missing is another purchase.\n",
		store.Printable(task.ID), store.Printable(string(task.Status)), countText(task.Count()), store.Printable(task.Target))
	fmt.Fprint(a.stderr, wrap(said, min(terminalColumns(a.screen.w), maxProse)))
	return false, c.ask(a, "Abort it?", what, "the task was not aborted")
}

func (s *shown) show(a *app, tasks []source.Task) error {
	if s.Output == "json" {
		return a.indented(raws(tasks, func(t source.Task) json.RawMessage { return t.Raw }))
	}
	rows := make([][]string, len(tasks))
	for i, t := range tasks {
		rows[i] = []string{t.ID, string(t.Status), countText(t.Processed), percent(t), t.Target, minute(t.Created)}
	}
	return a.table([]heading{{name: "task"}, {name: "status"}, {name: "processed", right: true}, {name: "progress", right: true}, {name: "collector"}, {name: "created (UTC)"}}, rows)
}
