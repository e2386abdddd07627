"""The loop."""

from fakes.scene import MINUTE_MS, START_MS, Scene


def test_smoke(scene: Scene) -> None:
    for number in range(600):
        scene.tenant.add(START_MS - 600_000 + number * 2000)
    scene.run(600)
    print(scene.lines, len(scene.tenant.calls), scene.tenant.queries)
    scene.assert_each_delivered_once(10)

