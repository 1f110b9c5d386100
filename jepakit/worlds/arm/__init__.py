"""A 7-DoF arm on MuJoCo: `arm7.Arm7` describes it, `world.ArmWorld` is the `contracts.World` that it builds."""
