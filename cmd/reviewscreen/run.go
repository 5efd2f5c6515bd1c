package reviewscreen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/review"
)

// ErrNotDrawn is returned where the terminal does not do what a screen needs.
var ErrNotDrawn = errors.New("the screen could not be drawn")

// Run shows a page on the terminal that in and out are, until the person has
// decided. The terminal is then as it was, however that ended. A person who
// leaves, or whose terminal is gone, has declined ([review.ErrDeclined]); when
// ctx ends first, the error is the context's. Otherwise it is [ErrNotDrawn].
func Run(ctx context.Context, in, out *os.File, page Page, style *render.Terminal) (approval.Choice, error) {
	within, hangUp := context.WithCancel(ctx)
	defer hangUp()
	screen := New(page, style)
	program := tea.NewProgram(model{screen},
		tea.WithContext(within),
		tea.WithInput(&input{in, hangUp}),
		tea.WithOutput(out),
		// The context ends at the signals that the program would catch.
		tea.WithoutSignalHandler(),
	)
	_, err := program.Run()
	switch {
	case ctx.Err() != nil:
		return approval.Choice{}, ctx.Err()
	case within.Err() != nil:
		return approval.Choice{}, review.ErrDeclined
	case err != nil:
		return approval.Choice{}, fmt.Errorf("%w: %w", ErrNotDrawn, err)
	}
	return screen.Choice()
}

// input is the terminal's keys. At their end no further key can come, and the
// screen, which waits for one, would wait for ever.
type input struct {
	*os.File
	ended func()
}

// Read implements io.Reader.
func (i *input) Read(b []byte) (int, error) {
	n, err := i.File.Read(b)
	if errors.Is(err, io.EOF) {
		i.ended()
	}
	return n, err
}

// model connects a screen with the library, in whose terms it is one value
// whose methods are called one after another.
type model struct{ screen *Screen }

// Init implements tea.Model.
func (m model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.screen.Resize(msg.Width, msg.Height)
	case tea.PasteMsg:
		m.screen.Pasted()
	case tea.KeyPressMsg:
		if msg.String() == "ctrl+z" {
			return m, tea.Suspend
		}
		m.screen.Press(msg.String(), msg.Text)
	}
	if m.screen.Done() {
		return m, tea.Quit
	}
	return m, nil
}

// View implements tea.Model.
func (m model) View() tea.View {
	v := tea.NewView(strings.Join(m.screen.Lines(), "\n"))
	v.AltScreen = true
	return v
}
