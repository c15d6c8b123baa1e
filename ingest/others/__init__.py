"""What other programs have found in a movie: suite2p, CaImAn, NWB, AnnData, ImageJ."""
