"""Neural Architecture Search with Reinforcement Learning (Zoph & Le, 2016).

The public names below resolve on first use, so that `import nas_with_rl` stays light:

    import nas_with_rl as nas
    space = nas.SearchSpace([nas.Choice("activation", ("relu", "tanh"))])
    result = nas.search(space, evaluate=lambda a: score(a["activation"]), num_samples=1000)
"""
