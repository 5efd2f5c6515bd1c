package resolver

import (
	"container/list"
	"time"
)

// maxCached is the number of answers that are kept.
const maxCached = 1024

// cache keeps answers until their time is over. Its zero value is empty.
type cache struct {
	byKey map[key]*list.Element
	// order has the answers, the latest used in front.
	order list.List
}

type cached struct {
	key
	found
}

func (c *cache) get(k key, now time.Time) (found, bool) {
	e, has := c.byKey[k]
	if !has {
		return found{}, false
	}
	held := e.Value.(*cached)
	if !now.Before(held.until) {
		c.order.Remove(e)
		delete(c.byKey, k)
		return found{}, false
	}
	c.order.MoveToFront(e)
	return held.found, true
}

func (c *cache) put(k key, f found, now time.Time) {
	if !f.until.After(now) {
		return
	}
	if c.byKey == nil {
		c.byKey = map[key]*list.Element{}
	}
	if e, has := c.byKey[k]; has {
		e.Value.(*cached).found = f
		c.order.MoveToFront(e)
		return
	}
	if c.order.Len() >= maxCached {
		oldest := c.order.Back()
		delete(c.byKey, oldest.Value.(*cached).key)
		c.order.Remove(oldest)
	}
	c.byKey[k] = c.order.PushFront(&cached{k, f})
}
