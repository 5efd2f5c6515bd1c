package reviewscreen

func (s *Screen) pressHelp(key string) {
	switch key {
	case "esc", "enter", "backspace":
		s.view, s.scroll = s.back, 0
	default:
		s.pressScroll(key)
	}
}

// helpText explains the keys and the signs.
func (s *Screen) helpText() []string {
	var lines []string
	for _, entry := range [...]string{
		"j k, arrows, PgUp PgDn, Home End: move through what is asked for",
		"Enter: open it: what it means, why, where it was seen, which CVEs it leaves open; or open and close a group",
		"Space or d: deny an optional one, or grant it again",
		"c: confirm a special one by typing what is shown, or take that back",
		"n p: in a detail, the next and the previous one",
		"a: everything, or the difference to what was last approved",
		"s: the summary, where typing yes signs",
		"Esc: back; in the list it leaves, as q and Ctrl-C do everywhere (q not while you type). Whoever leaves approves nothing.",
		"",
		" x   granted when it is signed",
		" !   special and not confirmed yet",
		"[x]  in brackets: optional, can be denied",
		"[ ]  denied: not granted",
		" .   falls away with what is denied",
		" +   asked for anew, or in a new form",
		" -   was approved so before",
	} {
		if entry == "" {
			lines = append(lines, "")
			continue
		}
		lines = append(lines, wrap(entry, s.width, 5)...)
	}
	return lines
}
