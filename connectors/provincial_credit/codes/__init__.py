"""Code tables of the provincial credit platform; the column ``mark`` says how sure each row is."""
