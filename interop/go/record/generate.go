// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"go.etcd.io/raft/v3"
)

// generator makes a script: it looks at the world and chooses what comes next.
type generator struct {
	*world
	random *rand.Rand
	plain  bool
	// settings of all nodes of the script, as options of add-nodes.
	settings string
	moves    []move
	proposed int
}

// move is something that can happen, and how often it does, in proportion to others.
type move struct {
	weight int
	make   func(*generator) error
}

// Each script draws anew how often each of these happens, so that scripts differ in kind.
var allMoves = []move{
	{12, (*generator).stabilize},
	{10, (*generator).propose},
	{10, (*generator).deliver},
	{10, (*generator).processReady},
	{8, (*generator).processThreads},
	{6, (*generator).elect},
	{5, (*generator).tick},
	{5, (*generator).changeMembers},
	{3, (*generator).transfer},
	{2, (*generator).campaign},
	{2, (*generator).forgetLeader},
	{2, (*generator).readIndex},
	{2, (*generator).reportUnreachable},
	{2, (*generator).sendSnapshot},
	{2, (*generator).compact},
	{1, (*generator).addNodes},
	{3, (*generator).show},
	{1, (*generator).mistake},
}

// Options say what a script is like.
type Options struct {
	// Seed decides everything: the same seed is the same script.
	Seed uint64
	// Commands is about how many commands there are.
	Commands int
	// Plain scripts have what etcd's own may have, and nothing that goes beyond.
	Plain bool
}

// Script makes a random script.
func Script(options Options) (string, error) {
	first := script(options)
	if second := script(options); first != second {
		return "", fmt.Errorf("seed %d: two runs differ: an election timeout shows", options.Seed)
	}
	return first, nil
}

func script(options Options) string {
	random := rand.New(rand.NewPCG(options.Seed, 0))
	g := &generator{world: newWorld(), random: random, plain: options.Plain}
	fmt.Fprintf(&g.world.script, "# Recorded from go.etcd.io/raft/v3: seed %d.\n\n", options.Seed)
	for _, move := range allMoves {
		if g.oneIn(4) {
			continue
		}
		move.weight *= 1 + g.below(5)*g.below(3)
		g.moves = append(g.moves, move)
	}
	err := g.begin()
	for range options.Commands {
		if err != nil {
			break
		}
		err = g.choose().make(g)
	}
	if err == nil {
		_ = g.end()
	}
	return strings.TrimSuffix(g.world.script.String(), "\n")
}

func (g *generator) choose() move {
	total := 0
	for _, move := range g.moves {
		total += move.weight
	}
	if total == 0 {
		return allMoves[0]
	}
	at := g.below(total)
	for _, move := range g.moves {
		if at -= move.weight; at < 0 {
			return move
		}
	}
	panic("unreachable")
}

func (g *generator) below(n int) int                { return g.random.IntN(n) }
func (g *generator) oneIn(n int) bool               { return g.below(n) == 0 }
func (g *generator) flag() bool                     { return g.oneIn(2) }
func (g *generator) count() int                     { return len(g.env.Nodes) }
func (g *generator) anyNode() int                   { return 1 + g.below(g.count()) }
func (g *generator) status(id int) raft.BasicStatus { return g.env.Nodes[id-1].BasicStatus() }
func (g *generator) isLeader(id int) bool           { return g.status(id).RaftState == raft.StateLeader }

func (g *generator) dof(format string, args ...any) error {
	return g.do(fmt.Sprintf(format, args...), "")
}

// leader is a node that leads, or any.
func (g *generator) leader() int {
	var leaders []int
	for id := 1; id <= g.count(); id++ {
		if g.isLeader(id) {
			leaders = append(leaders, id)
		}
	}
	if len(leaders) == 0 || g.oneIn(6) {
		return g.anyNode()
	}
	return leaders[g.below(len(leaders))]
}

// someNodes are some of the nodes, in any order.
func (g *generator) someNodes() []int {
	ids := g.random.Perm(g.count())
	for i := range ids {
		ids[i]++
	}
	return ids[:1+g.below(len(ids))]
}

func list[T any](values []T) string {
	return strings.Trim(fmt.Sprint(values), "[]")
}

// begin adds the first nodes, and mostly elects one.
func (g *generator) begin() error {
	g.settings = g.drawSettings()
	count := 1 + g.below(6)
	ids := g.random.Perm(count)
	if g.flag() {
		slices.Sort(ids)
	}
	var voters, learners []string
	for i, id := range ids {
		if i == 0 || !g.oneIn(4) {
			voters = append(voters, fmt.Sprint(id+1))
		} else {
			learners = append(learners, fmt.Sprint(id+1))
		}
	}
	members := fmt.Sprintf("voters=(%s)", strings.Join(voters, ","))
	if len(learners) > 0 {
		members += fmt.Sprintf(" learners=(%s)", strings.Join(learners, ","))
	}
	if err := g.dof("add-nodes %d %s index=%d%s", count, members, 2+g.below(1+g.below(200)), g.settings); err != nil {
		return err
	}
	if g.oneIn(5) {
		return nil
	}
	if err := g.elect(); err != nil {
		return err
	}
	return g.dof("stabilize")
}

// end lets the nodes come to rest, and shows them.
func (g *generator) end() error {
	if err := g.dof("stabilize"); err != nil {
		return err
	}
	for id := 1; id <= g.count(); id++ {
		if err := g.dof("raft-log %d", id); err != nil {
			return err
		}
		if err := g.dof("status %d", id); err != nil {
			return err
		}
	}
	return g.dof("raft-state")
}

func (g *generator) drawSettings() string {
	var text strings.Builder
	checkQuorum := g.flag()
	set := func(often int, format string, value any) {
		if g.oneIn(often) {
			fmt.Fprintf(&text, " "+format, value)
		}
	}
	set(2, "async-storage-writes=%t", true)
	set(2, "prevote=%t", true)
	if checkQuorum {
		text.WriteString(" checkquorum=true")
		set(3, "read-only=%s", "lease-based")
	}
	set(3, "inflight=%d", 1+g.below(4))
	set(4, "max-committed-size-per-ready=%d", 1+g.below(60))
	set(4, "disable-conf-change-validation=%t", g.oneIn(3))
	set(2, "step-down-on-removal=%t", true)
	if g.plain {
		return text.String()
	}
	if g.oneIn(3) {
		limit := 1 + g.below(60)
		set(1, "max-message-bytes=%d", limit)
		set(2, "max-inflight-bytes=%d", limit+1+g.below(60))
	}
	set(4, "max-uncommitted-bytes=%d", 1+g.below(60))
	set(6, "disable-proposal-forwarding=%t", true)
	return text.String()
}

func (g *generator) addNodes() error {
	if g.count() >= 8 {
		return nil
	}
	settings := g.settings
	if g.oneIn(4) {
		settings = g.drawSettings()
	}
	return g.dof("add-nodes %d%s", 1+g.below(2), settings)
}

func (g *generator) stabilize() error {
	level := ""
	if g.oneIn(20) {
		level = " log-level=none"
	}
	if g.oneIn(3) {
		return g.dof("stabilize %s%s", list(g.someNodes()), level)
	}
	return g.dof("stabilize%s", level)
}

func (g *generator) propose() error {
	id := g.leader()
	for range 1 + g.below(3)*g.below(3) {
		g.proposed++
		data := fmt.Sprintf("p%d", g.proposed)
		switch g.below(12) {
		case 0:
			data += strings.Repeat("x", g.below(200))
		case 1:
			data += `"\é世` + "\u200b\x01"
		}
		if err := g.dof("propose %d %s", id, data); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) deliver() error {
	ids := g.someNodes()
	var keep, drop []int
	for _, id := range ids {
		if g.oneIn(4) {
			drop = append(drop, id)
		} else {
			keep = append(keep, id)
		}
	}
	line := strings.TrimRight("deliver-msgs "+list(keep), " ")
	if len(drop) > 0 {
		line += fmt.Sprintf(" drop=(%s)", strings.ReplaceAll(list(drop), " ", ","))
	}
	if g.oneIn(4) && len(g.env.Messages) > 0 {
		line += fmt.Sprintf(" type=%v", g.env.Messages[g.below(len(g.env.Messages))].GetType())
	}
	return g.dof("%s", line)
}

func (g *generator) processReady() error {
	return g.dof("process-ready %s", list(g.someNodes()))
}

func (g *generator) processThreads() error {
	thread := "append"
	if g.flag() {
		thread = "apply"
	}
	return g.dof("process-%s-thread %s", thread, list(g.someNodes()))
}

func (g *generator) campaign() error { return g.dof("campaign %d", g.anyNode()) }

// setTimeout keeps the random election timeout out of the script.
func (g *generator) setTimeout(id, ticks int) error {
	if g.isLeader(id) {
		return nil
	}
	return g.dof("set-randomized-election-timeout %d timeout=%d", id, ticks)
}

func (g *generator) elect() error {
	id := g.anyNode()
	if err := g.setTimeout(id, 3); err != nil {
		return err
	}
	if err := g.dof("tick-election %d", id); err != nil || g.oneIn(3) {
		return err
	}
	return g.dof("stabilize")
}

func (g *generator) tick() error {
	id := g.leader()
	if err := g.setTimeout(id, 1+g.below(6)); err != nil {
		return err
	}
	if g.oneIn(4) {
		return g.dof("tick-election %d", id)
	}
	return g.dof("tick-heartbeat %d", id)
}

func (g *generator) changeMembers() error {
	var ops []string
	for range g.below(2) + g.below(2) + g.below(3)*g.below(2) {
		ops = append(ops, fmt.Sprintf("%c%d", "vvvlllrru"[g.below(9)], g.below(g.count()+2)))
	}
	line := fmt.Sprintf("propose-conf-change %d", g.leader())
	switch {
	case len(ops) == 1 && g.flag():
		line += " v1=true"
	case g.oneIn(3):
		line += " transition=explicit"
	case g.oneIn(3):
		line += " transition=implicit"
	case g.oneIn(4):
		line += " transition=auto v1=false"
	}
	return g.do(line, strings.Join(ops, " "))
}

func (g *generator) transfer() error {
	return g.dof("transfer-leadership from=%d to=%d", g.leader(), g.anyNode())
}

func (g *generator) forgetLeader() error { return g.dof("forget-leader %d", g.anyNode()) }

func (g *generator) readIndex() error {
	if g.plain {
		return nil
	}
	id := g.leader()
	if g.flag() {
		id = g.anyNode()
	}
	g.proposed++
	return g.dof("read-index %d r%d", id, g.proposed)
}

func (g *generator) reportUnreachable() error {
	return g.dof("report-unreachable %d %d", g.leader(), g.anyNode())
}

func (g *generator) sendSnapshot() error {
	from, to := g.leader(), g.anyNode()
	// etcd/raft takes a message without a term for a local one; a candidate's term then falls to 0.
	if from == to || g.status(from).GetTerm() == 0 {
		return nil
	}
	return g.dof("send-snapshot %d %d", from, to)
}

// compact removes what the node has applied, and it only.
func (g *generator) compact() error {
	id := g.anyNode()
	node := g.env.Nodes[id-1]
	last, err := node.Storage.LastIndex()
	if err != nil {
		return err
	}
	index := min(last, g.status(id).Applied)
	if back := uint64(g.below(5)); back < index {
		index -= back
	}
	return g.dof("compact %d %d", id, index)
}

func (g *generator) show() error {
	switch g.below(4) {
	case 0:
		return g.dof("raft-log %d", g.anyNode())
	case 1:
		return g.dof("raft-state")
	default:
		return g.dof("status %d", g.leader())
	}
}

// mistake is a command that the environment refuses, with its words.
func (g *generator) mistake() error {
	id := g.anyNode()
	lines := []string{
		"no-such-command 1", "log-level loud", "log-level warn", "_breakpoint",
		"add-nodes 1 voters=(1) index=1", "add-nodes 1 voters=(1) index=5 read-only=never",
		fmt.Sprintf("report-unreachable %d", id), fmt.Sprintf("compact %d 1", id),
		fmt.Sprintf("propose-conf-change %d transition=never", id),
		fmt.Sprintf("propose-conf-change %d speed=high", id),
	}
	inputs := []string{"v", "x1", "v1  l2", "v1x", "v-1", "l18446744073709551616", "v1 v2"}
	if g.flag() {
		input := inputs[g.below(len(inputs))]
		return g.do(fmt.Sprintf("propose-conf-change %d v1=true", id), input)
	}
	return g.do(lines[g.below(len(lines))], "")
}
