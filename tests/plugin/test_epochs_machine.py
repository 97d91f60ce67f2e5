# SPDX-License-Identifier: Apache-2.0
"""Peers that crash, hang, disagree and have wrong clocks: no node is lost.

Each step lets something happen and some time pass, in which the living run in
any order. Heartbeats go on while a resource tracker hangs.
"""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from tests.fakes.world import DOWN_TIME, Peer, World

HOSTS = ("c1", "c2", "c3")
SETTLE = 60.0
INTERVAL = 20.0
#: Seconds after which a change of members is over: the peer is down, the
#: settle time has passed, all have run, and a contest that it left is over.
CALM = DOWN_TIME + SETTLE + 10 * SETTLE + 8 * INTERVAL
PEERS = st.sampled_from(HOSTS)
LISTS = st.sampled_from([HOSTS, ("c1", "c2"), ("c2", "c3"), ("c1", "c3")])


class Cloud(RuleBasedStateMachine):
    """Three peers that share a dozen nodes."""

    @initialize(
        silent=st.sets(PEERS),
        skews=st.lists(
            st.sampled_from([0.0, -3600.0, 50.0, 3600.0]),
            min_size=3,
            max_size=3,
        ),
    )
    def start(self, silent, skews):
        self.world = World(12)
        self.silent = silent
        self.peers = {
            host: Peer(
                self.world,
                host,
                HOSTS,
                speaks=host not in silent,
                skew=skew,
            )
            for host, skew in zip(HOSTS, skews, strict=True)
        }
        self.dead: set[str] = set()
        self.hung: set[str] = set()
        self.lists = dict.fromkeys(HOSTS, HOSTS)
        self.had_row: set[str] = set()
        self.pass_time(2 * CALM)
        assert set(self.world.rows) == set(self.world.groups)
        self.world.moves.clear()

    def pass_time(self, seconds, order=HOSTS):
        end = self.world.now + seconds
        while self.world.now < end:
            for host in order:
                self.world.now += INTERVAL / len(order)
                for other in set(HOSTS) - self.dead:
                    self.peers[other].beat()
                if host not in self.dead | self.hung:
                    self.peers[host].run()
            self.had_row |= self.world.rows.keys()

    @rule(host=PEERS)
    def crash(self, host):
        self.dead.add(host)

    @rule(host=PEERS)
    def come_back(self, host):
        self.hung.discard(host)
        self.dead.discard(host)
        self.peers[host].start(self.lists[host])

    @rule(host=PEERS)
    def hang(self, host):
        self.hung.add(host)

    @rule(host=PEERS)
    def wake(self, host):
        self.hung.discard(host)

    @rule(host=PEERS, hosts=LISTS)
    def edit_the_list_of_one(self, host, hosts):
        if host in hosts:
            self.lists[host] = hosts
            self.peers[host].reload(hosts)

    @rule(host=PEERS, skew=st.sampled_from([0.0, -3600.0, 59.0, 3600.0]))
    def step_the_clock(self, host, skew):
        self.peers[host].skew = skew

    @rule(host=PEERS, disabled=st.booleans())
    def disable_or_enable(self, host, disabled):
        self.world.services[host].disabled = disabled

    @rule(
        seconds=st.sampled_from([1.0, 25.0, 70.0, 150.0, 400.0]),
        order=st.permutations(HOSTS),
    )
    def wait(self, seconds, order):
        self.pass_time(seconds, order)

    @rule()
    def clocks_alone_move_nothing(self):
        """Wrong clocks in a cloud that is well: nobody dies of them."""
        self.repair()
        self.world.moves.clear()
        for host, skew in zip(HOSTS, (3600.0, -59.0, 61.0), strict=True):
            self.peers[host].skew = skew
        self.pass_time(300)
        assert not self.world.moves

    @rule()
    def lists_that_disagree_move_nothing_if_all_announce(self):
        """The nodes stay where they were before the edit."""
        self.repair()
        self.world.moves.clear()
        if self.silent:
            return
        self.edit_the_list_of_one("c1", ("c1", "c2"))
        self.pass_time(3 * CALM)
        assert not self.world.moves

    @rule()
    def repair(self):
        """When all is well again, each node is where the ring puts it."""
        self.dead.clear()
        self.hung.clear()
        for host, peer in self.peers.items():
            peer.skew = 0.0
            self.world.services[host].disabled = False
            self.lists[host] = HOSTS
            peer.reload(HOSTS)
        self.pass_time(CALM)
        # Contests of silent peers may have a long patience.
        if self.silent:
            self.pass_time(3600)
        ring = self.peers["c1"].partition.snapshot.view.ring
        for node, host in self.world.rows.items():
            assert host == str(ring.owner(node))
        reports = Counter(
            node
            for peer in self.peers.values()
            for node in peer.partition.snapshot.nodes
        )
        assert reports == dict.fromkeys(self.world.groups, 1)

    @invariant()
    def no_row_is_ever_lost(self):
        if hasattr(self, "world"):
            assert set(self.world.rows) >= self.had_row


TestCloud = Cloud.TestCase
TestCloud.settings = settings(
    max_examples=10, stateful_step_count=12, deadline=None
)
