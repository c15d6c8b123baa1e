"""The weak form against dense generalised least squares, and its noise term against measurement noise itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcigraph.models.quadrature import RULE, frame_means
from calcigraph.models.robust.weakform import EDGE_FRAMES, RULE_COVARIANCE, Rows, moments, residual_covariance

DT = 7.0


def random_rows(rng, cells, frames, regressors=2, noisy=1):
    return Rows(
        increments=rng.standard_normal((cells, frames)),
        regressors=rng.standard_normal((regressors, cells, frames)),
        coefficients=-rng.uniform(0.5, 2, (cells, noisy)),
        neighbour_noise=rng.uniform(0.1, 3, cells),
        noise_variance=rng.uniform(0.1, 3, cells),
        dt=DT,
    )


def dense_weight(used, q, feed):
    """P of one cell over all frames: the inverse of Omega over the used ones, less its projection on the feed."""
    frames = len(used)
    omega = np.diag(np.full(frames, 2 + q)) - np.eye(frames, k=1) - np.eye(frames, k=-1)
    keep = np.flatnonzero(used)
    weight = np.zeros((frames, frames))
    if len(keep):
        inverse = np.linalg.inv(omega[np.ix_(keep, keep)])
        if feed:
            on = inverse.sum(axis=1)
            inverse -= np.outer(on, on) / on.sum()
        weight[np.ix_(keep, keep)] = inverse
    return weight


def dense_rule(frames):
    """Q: means over each frame of samples at its ends; the samples beyond the first and last are there too."""
    rule = np.zeros((frames, frames + 3))
    for frame in range(frames):
        rule[frame, frame : frame + 4] = RULE
    return rule


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(4, 40),
    masked=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    log_q=st.floats(-4, 1.5),
    feed=st.booleans(),
)
def test_normal_equations_are_those_of_dense_least_squares(seed, frames, masked, log_q, feed):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, 3, frames, 3, 2)
    used, q = rng.random((3, frames)) >= masked, 10**log_q * rng.uniform(0.5, 2, 3)
    found = moments(rows, used, q, feed)
    rule = dense_rule(frames)
    for cell in range(3):
        weight = dense_weight(used[cell], q[cell], feed)
        x, y = rows.regressors[:, cell], rows.increments[cell]
        scale = 1 + np.abs(weight).sum() * 10
        np.testing.assert_allclose(found.normal[cell], x @ weight @ x.T, rtol=0, atol=1e-12 * scale)
        np.testing.assert_allclose(found.right[cell], x @ weight @ y, rtol=0, atol=1e-12 * scale)
        lagged = np.trace(weight @ rule @ rule.T)
        expected = np.zeros((3, 3))
        share = np.outer(rows.coefficients[cell], rows.coefficients[cell]) * DT**2 * rows.noise_variance[cell]
        share[0, 0] += rows.neighbour_noise[cell]
        expected[:2, :2] = share * lagged
        np.testing.assert_allclose(found.noise[cell], expected, rtol=1e-9, atol=1e-10 * scale)


@pytest.mark.parametrize("masked", [0.0, 0.3])
def test_feed_and_its_information_are_those_of_dense_least_squares(masked):
    rng = np.random.default_rng(5)
    rows, q = random_rows(rng, 4, 30), np.array([0.01, 0.1, 1.0, 10.0])
    used = rng.random((4, 30)) >= masked
    found = moments(rows, used, q)
    for cell in range(4):
        weight = dense_weight(used[cell], q[cell], feed=False)
        one = weight.sum(axis=1)
        assert found.feed_information[cell] == pytest.approx(one.sum())
        np.testing.assert_allclose(found.mean_regressors[cell], rows.regressors[:, cell] @ one / one.sum())
        assert found.mean_increment[cell] == pytest.approx(rows.increments[cell] @ one / one.sum())
        assert found.feed_square[cell] == pytest.approx((one**2).sum())
        projected = dense_weight(used[cell], q[cell], feed=True)
        test_function = projected @ rows.regressors[0, cell]
        assert found.coupling_square[cell] == pytest.approx((test_function**2).sum())


def test_squares_are_minus_the_derivatives_of_the_information_by_q():
    rng = np.random.default_rng(6)
    rows, used = random_rows(rng, 5, 60), rng.random((5, 60)) > 0.1
    q, little = np.full(5, 0.2), 1e-6
    low, high = (moments(rows, used, q + side * little) for side in (-1, 1))
    middle = moments(rows, used, q)
    loss = (low.normal[:, 0, 0] - high.normal[:, 0, 0]) / (2 * little)
    np.testing.assert_allclose(middle.coupling_square, loss, rtol=1e-6)
    np.testing.assert_allclose(
        middle.feed_square, (low.feed_information - high.feed_information) / (2 * little), rtol=1e-6
    )


def test_a_cell_masked_throughout_gives_nothing():
    rng = np.random.default_rng(7)
    rows, used = random_rows(rng, 2, 20), np.ones((2, 20), dtype=bool)
    used[0] = False
    found = moments(rows, used, np.full(2, 0.1))
    assert found.feed_information[0] == 0
    assert not found.normal[0].any()
    assert not found.right[0].any()
    alone = moments(
        Rows(
            increments=rows.increments[1:],
            regressors=rows.regressors[:, 1:],
            coefficients=rows.coefficients[1:],
            neighbour_noise=rows.neighbour_noise[1:],
            noise_variance=rows.noise_variance[1:],
            dt=DT,
        ),
        used[1:],
        np.full(1, 0.1),
    )
    np.testing.assert_allclose(found.normal[1], alone.normal[0], rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(4, 30))
def test_masked_values_do_not_matter(seed, frames):
    rng = np.random.default_rng(seed)
    rows, used = random_rows(rng, 2, frames), rng.random((2, frames)) > 0.4
    q = rng.uniform(0.01, 3, 2)
    other = replace(
        rows,
        increments=np.where(used, rows.increments, 1e3 * rng.standard_normal((2, frames))),
        regressors=np.where(used, rows.regressors, 1e3 * rng.standard_normal((2, 2, frames))),
    )
    first, second = moments(rows, used, q), moments(other, used, q)
    np.testing.assert_allclose(first.normal, second.normal, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(first.right, second.right, rtol=1e-9, atol=1e-11)


@settings(max_examples=50, deadline=None)
@given(
    coefficients=st.tuples(*[st.floats(-3, 3)] * 4),
    points=st.integers(4, 30),
)
def test_frame_means_are_exact_for_cubics(coefficients, points):
    cubic = np.polynomial.Polynomial(coefficients)
    time = np.arange(points) / 3.0
    whole = cubic.integ()
    means = np.diff(whole(time)) * 3.0
    found = frame_means(cubic(time)[None])[0]
    np.testing.assert_allclose(found[1:-1], means[1:-1], rtol=0, atol=1e-9 * (1 + np.abs(means).max()))
    trapezoid = (cubic(time)[1:] + cubic(time)[:-1]) / 2
    assert found[0] == pytest.approx(trapezoid[0], abs=1e-9)
    assert found[-1] == pytest.approx(trapezoid[-1], abs=1e-9)
    assert EDGE_FRAMES == 1


def test_frame_means_of_few_points_are_trapezoids():
    np.testing.assert_allclose(frame_means(np.array([[1.0, 3.0, 4.0]])), [[2.0, 3.5]])


def test_rule_covariance_is_that_of_the_rule():
    rule = dense_rule(8)
    whole = rule @ rule.T
    np.testing.assert_allclose([whole[0, lag] for lag in range(4)], RULE_COVARIANCE, atol=1e-15)


def noisy_rows(rng, cells, points, theta):
    """Measurement noise alone: the cell's in increments and regressor, the neighbours' in the regressor."""
    variance, neighbour_noise, rate = 0.7, 0.3, 1.6
    noise = rng.standard_normal((cells, points)) * np.sqrt(variance)
    neighbours = rng.standard_normal((cells, points)) * np.sqrt(neighbour_noise) / DT
    regressor = DT * (frame_means(neighbours) - rate * frame_means(noise))
    rows = Rows(
        increments=np.diff(noise, axis=1),
        regressors=regressor[None],
        coefficients=np.full((cells, 1), -rate),
        neighbour_noise=np.full(cells, neighbour_noise),
        noise_variance=np.full(cells, variance),
        dt=DT,
    )
    return rows, rows.increments - theta * regressor


def test_the_noise_term_is_what_noise_adds_and_adds_nothing_to_the_right_side():
    rng = np.random.default_rng(11)
    rows, _ = noisy_rows(rng, 4000, 40, 0.0)
    used = np.tile(rng.random(39) > 0.2, (4000, 1))
    used[:, [0, -1]] = False
    found = moments(rows, used, np.full(4000, 0.3))
    added = found.normal[:, 0, 0]
    error = added.std() / np.sqrt(len(added))
    assert found.noise[:, 0, 0].mean() == pytest.approx(added.mean(), abs=4 * error)
    assert error < 0.02 * added.mean()  # a test that could fail
    right = found.right[:, 0]
    assert abs(right.mean()) < 4 * right.std() / np.sqrt(len(right))


@pytest.mark.parametrize("theta", [0.0, 0.02, 0.15])
def test_residual_covariance_is_that_of_noise(theta):
    rng = np.random.default_rng(12)
    rows, residual = noisy_rows(rng, 3000, 60, theta)
    expected = residual_covariance(rows, np.full((3000, 1), theta))[:, 0]
    inner = residual[:, 1:-1]
    products = [(inner * inner).mean(axis=1), (inner[:, 1:] * inner[:, :-1]).mean(axis=1)]
    for lag, product in enumerate(products):
        assert product.mean() == pytest.approx(expected[lag], abs=4 * product.std() / np.sqrt(len(product)))


def test_least_squares_recovers_k_behind_measurement_noise_without_bias():
    """The whole point: k from noisy samples of an exact course, the noise term taken off."""
    rng = np.random.default_rng(13)
    cells, points, k, feed, deviation = 1500, 200, 0.02, 1e-3, 0.2
    fine, dt = 20, DT
    time = np.arange((points - 1) * fine + 1) * dt / fine
    phase, period = rng.uniform(0, 6, (cells, 1)), rng.uniform(150, 600, (cells, 1))
    omega = 2 * np.pi / period
    # y' = k (x - y) + feed with x = sin(omega t + phase), the periodic solution.
    lag = np.arctan2(omega, k)
    course = k / np.hypot(k, omega) * np.sin(omega * time + phase - lag) + feed / k
    neighbour = np.sin(omega * time + phase)
    y = course[:, ::fine] + deviation * rng.standard_normal((cells, points))
    x = neighbour[:, ::fine] + deviation * rng.standard_normal((cells, points))
    rows = Rows(
        increments=np.diff(y, axis=1),
        regressors=dt * frame_means(x - y)[None],
        coefficients=np.full((cells, 1), -1.0),
        neighbour_noise=np.full(cells, (dt * deviation) ** 2),
        noise_variance=np.full(cells, deviation**2),
        dt=dt,
    )
    used = np.ones((cells, points - 1), dtype=bool)
    used[:, [0, -1]] = False
    found = moments(rows, used, np.full(cells, 0.05))
    normal, right, noise = found.normal[:, 0, 0].sum(), found.right[:, 0].sum(), found.noise[:, 0, 0].sum()
    assert right / (normal - noise) == pytest.approx(k, rel=0.01)
    assert right / normal < 0.97 * k
    feeds = (found.mean_increment - k * found.mean_regressors[:, 0]) / dt
    assert np.median(feeds) == pytest.approx(feed, rel=0.02)
