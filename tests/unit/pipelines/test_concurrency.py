from eagleray.pipelines.concurrency import FEWEST, LAG_HIGH, SETTLE, Concurrency

MOST = 1600


def test_a_late_event_loop_takes_a_share_away_and_quiet_gives_it_back():
    concurrency = Concurrency(MOST, 0.0)
    concurrency.felt(2 * LAG_HIGH, 1000, 2.0)
    assert (concurrency.limit, "event loop" in concurrency.reason) == (700, True)
    concurrency.felt(0.01, 700, 2.0 + SETTLE)
    assert concurrency.limit == 700 + MOST // 16
    assert "event loop" in concurrency.held_back
    for second in range(30):
        concurrency.felt(0.01, 700, 10.0 + second)
    assert (concurrency.limit, concurrency.held_back) == (MOST, "")


def test_what_was_decided_is_given_time_to_show():
    concurrency = Concurrency(MOST, 0.0)
    concurrency.felt(2 * LAG_HIGH, 1000, 2.0)
    concurrency.felt(2 * LAG_HIGH, 700, 2.0 + SETTLE / 2)
    assert concurrency.limit == 700


def test_however_late_it_goes_on_with_a_few():
    concurrency = Concurrency(MOST, 0.0)
    for second in range(50):
        concurrency.felt(2 * LAG_HIGH, 10, 2.0 + second)
    assert concurrency.limit == FEWEST


def test_a_shortage_ends_the_growth_where_it_is():
    concurrency = Concurrency(MOST, 0.0)
    concurrency.short_of("no local port left", 321, 0.1)
    assert (concurrency.limit, concurrency.reason) == (321, "no local port left")


def test_a_control_that_fails_is_a_sign_of_our_own_crowd():
    concurrency = Concurrency(MOST, 0.0)
    concurrency.control_failed(1000, 5.0)
    concurrency.control_failed(1000, 5.1)
    assert concurrency.limit == 700


def test_a_small_limit_of_the_users_is_never_raised():
    concurrency = Concurrency(5, 0.0)
    concurrency.felt(2 * LAG_HIGH, 5, 2.0)
    assert concurrency.limit == 5


def test_a_shortage_with_nothing_open_leaves_room_for_one():
    concurrency = Concurrency(MOST, 0.0)
    concurrency.short_of("no memory left", 0, 0.1)
    assert concurrency.limit == 1
