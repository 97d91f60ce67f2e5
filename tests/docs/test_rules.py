# SPDX-License-Identifier: Apache-2.0
"""The rule table of the guide is the rule table of the code."""

from __future__ import annotations

import pytest

from nova_ironic_partition.core.epoch import Announcement, Epoch
from nova_ironic_partition.core.hearsay import Sighting
from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import Membership, View
from nova_ironic_partition.core.ownership import (
    Contest,
    Evidence,
    Rule,
    Verdict,
    judge,
)
from nova_ironic_partition.core.ring import Ring
from tests.docs import pages

PAGE = pages.SOURCE / "admin" / "ownership.rst"
ME, PEER = HostName("c1"), HostName("c2")
NODE, INSTANCE = "n1", "i1"
NOW, LONG_AGO = 1000.0, 0.0


def verdict(
    *,
    ring=(ME,),
    instance=None,
    instances=(),
    holder=None,
    live=(ME,),
    since=NOW,
    complete=True,
    contests=None,
    said=None,
) -> Verdict:
    """What c1 thinks of a node; by default it is new and c1's.

    :param said: the members that c2 announces.
    """
    heard = {} if said is None else {PEER: sighting(said)}
    view = View(Membership(tuple(ring), {}), Ring(ring, 8), since, complete)
    return judge(
        NODE,
        instance,
        Evidence(
            me=ME,
            view=view,
            instances=instances,
            known_rows=frozenset(),
            holders={} if holder is None else {NODE: holder},
            live=live,
            contests=contests or {},
            settle_time=60.0,
            now=NOW,
            epoch=epoch(ring),
            heard=heard,
        ),
    )


def epoch(live) -> Epoch:
    return Epoch.of(None, None, (ME, PEER), live, 8)


def sighting(live) -> Sighting:
    return Sighting(
        Announcement(PEER, 2, epoch(live)), frozenset(), NOW, True, LONG_AGO
    )


BOTH = (ME, PEER)
CONTEST = {NODE: Contest(1, NOW + 600)}
EXAMPLES = [
    verdict(instance=INSTANCE, instances={INSTANCE}),
    verdict(instance=INSTANCE),
    verdict(ring=()),
    verdict(ring=(PEER,)),
    verdict(holder=ME),
    verdict(complete=False),
    verdict(),
    verdict(holder=PEER),
    verdict(holder=PEER, live=BOTH, since=LONG_AGO, said=(PEER,)),
    verdict(holder=PEER, live=BOTH, contests=CONTEST),
    verdict(holder=PEER, live=BOTH),
    verdict(holder=PEER, live=BOTH, said=(ME,)),
    verdict(holder=PEER, live=BOTH, since=LONG_AGO),
]


def rows() -> dict[str, str]:
    """The table of the page: rule -> the rest of its row."""
    table = PAGE.read_text().split(".. list-table::")[1]
    table = table.split("\nWhat follows")[0]
    found = {}
    for row in table.split("\n   * - ")[1:]:
        name, _, rest = row.partition("\n")
        found[name.strip("`")] = pages.flat(rest)
    return found


def test_the_page_has_all_rules_in_the_order_of_the_code():
    assert list(rows())[1:] == [rule.value for rule in Rule]


def test_the_examples_cover_all_rules():
    assert {example.rule for example in EXAMPLES} == set(Rule)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.reason)
def test_the_page_says_what_the_code_decides_and_logs(example):
    row = rows()[example.rule.value]
    assert f"*{example.reason}*" in row
    assert row.startswith("- yes" if example.mine else "- no")
