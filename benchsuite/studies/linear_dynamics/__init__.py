"""The URFB paper's deep linear network (Fig. 12)."""
